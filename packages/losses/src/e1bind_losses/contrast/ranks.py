"""Rows of the other processes of a torch.distributed job.

Shape legend: N rows of this rank, M rows of all others together, W ranks.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch import distributed as dist


@dataclass(frozen=True)
class OtherRanks:
    """Who else there is: the number of rows of every rank, known to all of them.

    All ranks have to make the same calls in the same order, ranks with N = 0 rows too.
    """

    rank: int
    rows_W: tuple[int, ...]

    @classmethod
    def meet(cls, rows: int, device: torch.device) -> OtherRanks | None:
        """Tell all ranks how many rows this one has. None in a job of one process."""
        if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
            return None
        counts = [torch.zeros(1, dtype=torch.long, device=device) for _ in range(dist.get_world_size())]
        dist.all_gather(counts, torch.tensor([rows], device=device))
        return cls(dist.get_rank(), tuple(int(count) for count in counts))

    def gather(self, x_NK: Tensor) -> Tensor:
        """The rows of the other ranks [M, K], in rank order; carries no graph."""
        # Collectives want one size: every rank pads to the longest.
        padded_K = x_NK.new_zeros(max(self.rows_W), x_NK.shape[1])
        padded_K[: len(x_NK)] = x_NK
        parts = [torch.empty_like(padded_K) for _ in self.rows_W]
        dist.all_gather(parts, padded_K)
        others = [
            part[:rows] for r, (part, rows) in enumerate(zip(parts, self.rows_W, strict=True)) if r != self.rank
        ]
        return torch.cat(others)

    def sum(self, x: Tensor) -> Tensor:
        """The sum over all ranks, on every rank."""
        total = x.clone()
        dist.all_reduce(total)
        return total
