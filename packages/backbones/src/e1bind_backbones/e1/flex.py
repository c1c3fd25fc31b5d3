"""FlexAttention over packed tokens: block masks in closed form.

What a token sees are at most two runs of packed tokens: its own segment and its prefix. So the overlap of a block
of keys with what a segment sees is arithmetic on run ends, and a block of queries needs only the least and the
largest overlap of the segments it holds. Nothing of size N x N is made.

Shape legend: N packed tokens, S segments, Q blocks of queries, K blocks of keys (Q = K), h heads, d head width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, flex_attention

from e1bind.errors import UserError
from e1bind_backbones.e1.layout import Ints, RowLayout

BLOCK = 128


@dataclass(frozen=True)
class BlockTables:
    """Which blocks of keys each block of queries sees, and what each token sees.

    `partial_QK`, `full_QK` bool: blocks seen in part, and blocks seen by all their queries in full.
    `runs_4N` int32: for each token the first and last-plus-one token of its own segment and of its prefix.
    """

    partial_QK: Tensor
    full_QK: Tensor
    runs_4N: Tensor

    @classmethod
    def build(cls, layout: RowLayout, with_prefix: bool) -> BlockTables:
        """Tables of a global layer, or of a within-sequence layer (`with_prefix` false)."""
        starts, stops = np.array(layout.starts), np.array(layout.stops)
        prefix = np.array(layout.prefix_starts), np.array(layout.prefix_stops)
        if not with_prefix:
            prefix = np.zeros_like(starts), np.zeros_like(starts)
        edges = np.arange(0, layout.tokens, BLOCK)
        overlap_SK = _overlap(starts, stops, edges) + _overlap(*prefix, edges)
        first = np.searchsorted(stops, edges, side="right")
        last = np.searchsorted(starts, np.minimum(edges + BLOCK, layout.tokens) - 1, side="right") - 1
        most_QK = _reduce(np.maximum, overlap_SK, first, last)
        least_QK = _reduce(np.minimum, overlap_SK, first, last)
        full = least_QK == BLOCK
        full[-1] &= layout.tokens % BLOCK == 0
        runs = np.stack([starts, stops, *prefix]).astype(np.int32)
        runs_4N = torch.from_numpy(np.repeat(runs, stops - starts, axis=1))
        return cls(torch.from_numpy((most_QK > 0) & ~full), torch.from_numpy(full), runs_4N)

    def to(self, device: torch.device) -> BlockTables:
        """The same tables on `device`."""
        moved = (x.to(device, non_blocking=True) for x in (self.partial_QK, self.full_QK, self.runs_4N))
        return BlockTables(*moved)

    def block_mask(self) -> BlockMask:
        """The mask FlexAttention takes."""
        start, stop, prefix_start, prefix_stop = self.runs_4N

        def sees(b: Tensor, h: Tensor, q: Tensor, k: Tensor) -> Tensor:
            return ((k >= start[q]) & (k < stop[q])) | ((k >= prefix_start[q]) & (k < prefix_stop[q]))

        tokens = self.runs_4N.shape[1]
        return BlockMask.from_kv_blocks(
            *_ordered(self.partial_QK),
            *_ordered(self.full_QK),
            BLOCK_SIZE=BLOCK,
            mask_mod=sees,
            seq_lengths=(tokens, tokens),
        )


def _overlap(starts: Ints, stops: Ints, edges: Ints) -> Ints:
    """Tokens that runs [S] and blocks [K] have in common, [S, K]."""
    low = np.maximum(starts[:, None], edges[None, :])
    high = np.minimum(stops[:, None], edges[None, :] + BLOCK)
    return np.maximum(high - low, 0)


def _reduce(function: np.ufunc, overlap_SK: Ints, first: Ints, last: Ints) -> NDArray[np.int64]:
    """`function` over the segments first..last (inclusive) of every block of queries, [Q, K]."""
    padded = np.concatenate([overlap_SK, overlap_SK[-1:]])  # so that last + 1 is an index
    bounds = np.stack([first, last + 1], axis=1).ravel()
    return function.reduceat(padded, bounds, axis=0)[::2]


def _ordered(blocks_QK: Tensor) -> tuple[Tensor, Tensor]:
    """Number of set blocks of each row, and all block indices with the set ones first, as [1, 1, ...] int32."""
    indices = torch.argsort(blocks_QK.int(), dim=1, descending=True, stable=True)
    return blocks_QK.sum(1).int()[None, None], indices.int()[None, None]


@cache
def _compiled() -> Callable[..., Tensor]:
    return torch.compile(flex_attention)


def flex_attend(mask: BlockMask, compiled: bool) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """Attention of q, k, v [N, h, d] under a block mask; [N, h, d]."""

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        if q.device.type == "cpu" and q.requires_grad:
            raise UserError('backbone.e1.attention: "flex" cannot train on a CPU; use "auto" or "slices" there')
        run = _compiled() if compiled else flex_attention
        return run(*(x.transpose(0, 1)[None] for x in (q, k, v)), block_mask=mask)[0].transpose(0, 1)

    return attend
