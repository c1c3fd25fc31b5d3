"""What an ion begins with: its frozen prototype, and what its head is told of the training residues.

Shape legend: N residues of this rank, P prototype width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from e1bind.contracts import HeadStart
from e1bind.engine.distributed import World
from e1bind.engine.guards import VALIDATION_MEMORY, memory_advice
from e1bind.errors import RunError
from e1bind.scoring import Prototype
from e1bind.spec.sections import PrototypesSection

if TYPE_CHECKING:
    from e1bind.data.collate import ProteinBatch


Embed = Callable[["ProteinBatch"], Tensor]
"""Raw residue embeddings [R, P] of the single unmasked view of each protein."""


@dataclass(frozen=True)
class Sample:
    """Raw embeddings [N, P] of this rank's share of an ion's first training proteins, and their labels [N]."""

    raw_NP: Tensor
    labels_N: Tensor
    proteins: int


@torch.no_grad()
def take_sample(batches: Iterable[ProteinBatch], embed: Embed, width: int, device: torch.device) -> Sample:
    """Embed the batches. Embeddings are kept (fp32, a few hundred proteins at most), so the backbone runs once."""
    raw = [torch.empty(0, width, device=device)]
    labels = [torch.empty(0, dtype=torch.long, device=device)]
    proteins = 0
    for batch in batches:
        with memory_advice(batch, VALIDATION_MEMORY):
            raw.append(embed(batch))
        labels.append(batch.labels_R)
        proteins += len(set(batch.ids))
    return Sample(torch.cat(raw), torch.cat(labels), proteins)


def make_prototype(
    batches: Iterable[ProteinBatch], embed: Embed, width: int, section: PrototypesSection, world: World, where: str
) -> Prototype:
    """`prototype_of` the sample that `batches` make."""
    return prototype_of(take_sample(batches, embed, width, world.device), section, world, where)


@torch.no_grad()
def prototype_of(sample: Sample, section: PrototypesSection, world: World, where: str) -> Prototype:
    """The prototype of one ion; sums run over all ranks.

    Raises `RunError` naming `where` (ion and fold) when no residue is positive.
    """
    raw, labels = sample.raw_NP.double(), sample.labels_N
    own = [sample.proteins, len(raw), int((labels == 1).sum()), int((labels == 0).sum())]
    counts = world.sum(torch.tensor(own, device=world.device))
    if counts[2] == 0:
        raise RunError(
            f"{where}: none of the {int(counts[0])} proteins a prototype is made of has a binding residue; "
            "raise prototypes.max_samples or check the labels"
        )
    center = world.sum(raw.sum(0)) / counts[1]
    if not section.center:
        center = torch.zeros_like(center)
    z = F.normalize(raw - center, dim=-1)
    mean_pos = world.sum(z[labels == 1].sum(0)) / counts[2]
    mean_neg = world.sum(z[labels == 0].sum(0)) / counts[3].clamp_min(1)
    direction = mean_pos - mean_neg if section.strategy == "mean-difference" else mean_pos
    vector = F.normalize(direction, dim=0)
    return Prototype(
        vector_P=vector.float(),
        center_P=center.float(),
        proteins=int(counts[0]),
        positives=int(counts[2]),
        residues=int(counts[1]),
        sim_pos=float(mean_pos @ vector),
        sim_neg=float(mean_neg @ vector),
    )


@torch.no_grad()
def start_of(sample: Sample, world: World) -> HeadStart:
    """What a head is told: moments of the labelled residues, summed over all ranks in double precision."""
    labels = sample.labels_N
    raw = sample.raw_NP[labels >= 0].double()
    counts = world.sum(torch.tensor([len(raw), int((labels == 1).sum())], device=world.device))
    total = counts[0].clamp_min(1)
    mean = world.sum(raw.sum(0)) / total
    variance = world.sum((raw - mean).square().sum(0)) / total
    return HeadStart(mean.float(), variance.sqrt().float(), int(counts[0]), int(counts[1]))
