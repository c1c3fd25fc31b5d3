"""One rank of `test_ranks.py`: its shard of each scenario's batch through the loss; value and gradients to a file.

python gather_worker.py RANK WORLD STORE OUT
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import distributed as dist
from torch import nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

from e1bind.contracts import LossInputs
from e1bind_losses.nt_xent import NTXent
from e1bind_losses.options import NTXentOptions

WIDTH = 12
SCENARIOS: dict[str, tuple[list[int], dict[str, object]]] = {
    "even shards": ([10, 10], {}),
    "uneven shards": ([3, 40], {}),
    "a rank without residues": ([0, 9], {}),
    "nobody has residues": ([0, 0], {}),
    "other proteins": ([16, 9], {"negatives": "other-proteins"}),
    "tiny temperature": ([8, 5], {"temperature": 0.004}),
    "recomputed tiles": ([150, 90], {"cache_mb": 0}),
    "kept tiles": ([150, 90], {"cache_mb": 64}),
}


def whole_batch(residues: int) -> LossInputs:
    """The batch of all ranks together; every shard is a range of its residues. Proteins have 4 residues, and
    stand on one rank."""
    torch.manual_seed(residues)
    raw = torch.randn(residues, 1, WIDTH) + torch.randn(residues, 3, WIDTH)
    return LossInputs(
        embeddings=F.normalize(raw.double(), dim=-1),
        view_mask=torch.rand(residues, 3) > 0.25,
        labels=torch.zeros(residues, dtype=torch.long),
        protein=torch.arange(residues) // 4,
        prototype=torch.zeros(WIDTH),
    )


def shard(batch: LossInputs, start: int, stop: int) -> LossInputs:
    """The residues [start, stop), proteins counted from 0 again as on every rank."""
    protein = batch.protein[start:stop]
    return LossInputs(
        embeddings=batch.embeddings[start:stop].clone().requires_grad_(),
        view_mask=batch.view_mask[start:stop],
        labels=batch.labels[start:stop],
        protein=protein - protein.min() if len(protein) else protein,
        prototype=batch.prototype,
    )


class Projected(nn.Module):
    """A trained layer under the loss, for DDP."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.layer = nn.Linear(WIDTH, WIDTH).double()

    def forward(self, batch: LossInputs, loss: nn.Module) -> torch.Tensor:
        e_RVD = F.normalize(self.layer(batch.embeddings), dim=-1)
        inputs = LossInputs(e_RVD, batch.view_mask, batch.labels, batch.protein, batch.prototype)
        return loss(inputs).value


def bounds(sizes: list[int], rank: int) -> tuple[int, int]:
    return sum(sizes[:rank]), sum(sizes[: rank + 1])


def main(rank: int, world: int, store: str, out: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=world)
    results: dict[str, tuple[torch.Tensor, ...]] = {}
    for name, (sizes, options) in SCENARIOS.items():
        loss = NTXent(NTXentOptions(gather_negatives=True, **options)).train()
        own = shard(whole_batch(sum(sizes)), *bounds(sizes, rank))
        value = loss(own).value
        (grad_RVD,) = torch.autograd.grad(3 * value, own.embeddings)
        model = DistributedDataParallel(Projected())
        model(own, loss).backward()
        results[name] = (value.detach(), grad_RVD, model.module.layer.weight.grad)
    # In eval mode ranks may hold different numbers of batches: nothing may be exchanged.
    if rank == 0:
        loss.eval()(shard(whole_batch(12), 0, 12))
    torch.save(results, Path(out))
    dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4])
