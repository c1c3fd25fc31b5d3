"""What an ion begins with: its frozen prototype, and what its head is told of the training residues.

Shape legend: N residues of this rank, P prototype width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from e1bind.contracts import HeadStart
from e1bind.engine.diagnostics import more_residues
from e1bind.engine.distributed import World
from e1bind.engine.guards import VALIDATION_MEMORY, memory_advice
from e1bind.errors import RunError
from e1bind.scoring import Prototype
from e1bind.spec.sections import PrototypesSection

if TYPE_CHECKING:
    from e1bind.data.collate import ProteinBatch


_FARTHEST = 2.0
"""Largest shift of the centre, in differences of the class means: twice as far as binding residues are."""
_HALVINGS = 12
"""Steps of bisection: the shift is then known to 2 / 4096."""

Embed = Callable[["ProteinBatch"], Tensor]
"""Raw residue embeddings [R, P] of the single unmasked view of each protein."""


@dataclass(frozen=True)
class Sample:
    """Raw embeddings [N, P] of this rank's share of an ion's first training proteins, and their labels [N].

    `proteins`: how many of them this rank has; `train`: all that the ion has to train on.
    """

    raw_NP: Tensor
    labels_N: Tensor
    proteins: int
    train: int


@torch.no_grad()
def take_sample(
    batches: Iterable[ProteinBatch], embed: Embed, width: int, device: torch.device, train: int
) -> Sample:
    """Embed the batches. Embeddings are kept (fp32, a few hundred proteins at most), so the backbone runs once."""
    raw = [torch.empty(0, width, device=device)]
    labels = [torch.empty(0, dtype=torch.long, device=device)]
    proteins = 0
    for batch in batches:
        with memory_advice(batch, VALIDATION_MEMORY):
            raw.append(embed(batch))
        labels.append(batch.labels_R)
        proteins += len(set(batch.ids))
    return Sample(torch.cat(raw), torch.cat(labels), proteins, train)


@torch.no_grad()
def prototype_of(
    sample: Sample, section: PrototypesSection, scoring_temperature: float, world: World, where: str
) -> Prototype:
    """The prototype of one ion; sums run over all ranks.

    Raises `RunError` naming `where` (ion and fold) when no residue is positive.
    """
    own = [sample.proteins, len(sample.raw_NP), *(int((sample.labels_N == label).sum()) for label in (1, 0))]
    proteins, residues, positives, negatives = world.sum(torch.tensor(own, device=world.device)).tolist()
    if positives == 0:
        raise RunError(
            f"{where}: none of the {int(proteins)} proteins a prototype is made of has a binding residue; check "
            f"the labels; {more_residues(sample.train, section.max_samples)}"
        )
    geometry = _Geometry(sample, section.strategy, (residues, positives, negatives), world)
    center = geometry.mean_P if section.center else torch.zeros_like(geometry.mean_P)
    if section.match_rate:
        center = center + _shift(geometry, scoring_temperature) * geometry.difference_P
    placed = geometry.placed(center)
    return Prototype(
        vector_P=placed.vector_P.float(),
        center_P=center.float(),
        proteins=int(proteins),
        positives=int(positives),
        residues=int(residues),
        sim_pos=float(placed.mean_pos_P @ placed.vector_P),
        sim_neg=float(placed.mean_neg_P @ placed.vector_P),
    )


class _Geometry:
    """A sample seen from a centre. Counts are (residues, positives, negatives) of all ranks."""

    def __init__(self, sample: Sample, strategy: str, counts: tuple[int, int, int], world: World) -> None:
        self.raw_NP, self.labels_N = sample.raw_NP.double(), sample.labels_N
        self.strategy, self.counts, self.world = strategy, counts, world
        self.mean_P = world.sum(self.raw_NP.sum(0)) / counts[0]

    @cached_property
    def difference_P(self) -> Tensor:
        """Mean of binding residues minus that of the others, neither normalised."""
        positive, negative = self._class_means(self.raw_NP)
        return positive - negative

    @property
    def rate(self) -> float:
        """Share of binding residues among the labelled ones."""
        return self.counts[1] / (self.counts[1] + self.counts[2])

    def placed(self, center_P: Tensor) -> _Placed:
        """Unit vectors around a centre, and the direction of binding residues among them."""
        z_NP = F.normalize(self.raw_NP - center_P, dim=-1)
        mean_pos, mean_neg = self._class_means(z_NP)
        direction = mean_pos - mean_neg if self.strategy == "mean-difference" else mean_pos
        return _Placed(F.normalize(direction, dim=0), mean_pos, mean_neg, z_NP)

    def mean_probability(self, center_P: Tensor, scoring_temperature: float) -> float:
        """Mean over labelled residues of the probability that the head begins with."""
        placed = self.placed(center_P)
        score_N = 2 * (placed.z_NP @ placed.vector_P) / scoring_temperature
        total = self.world.sum(score_N.sigmoid()[self.labels_N >= 0].sum())
        return float(total) / (self.counts[1] + self.counts[2])

    def _class_means(self, rows_NP: Tensor) -> tuple[Tensor, Tensor]:
        positive, negative = (self.world.sum(rows_NP[self.labels_N == label].sum(0)) for label in (1, 0))
        return positive / self.counts[1], negative / max(self.counts[2], 1)


class _Placed(NamedTuple):
    """Direction [P], class means [P] and unit vectors [N, P]."""

    vector_P: Tensor
    mean_pos_P: Tensor
    mean_neg_P: Tensor
    z_NP: Tensor


def _shift(geometry: _Geometry, scoring_temperature: float) -> float:
    """How far the centre goes towards binding residues, in units of the difference of means, for `match_rate`.

    By bisection; the mean probability falls as the centre moves. Where even the farthest shift leaves it above the
    rate (the temperature is too high for so rare a class), the farthest is taken.
    """
    low, high = 0.0, _FARTHEST
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        center = geometry.mean_P + middle * geometry.difference_P
        above = geometry.mean_probability(center, scoring_temperature) > geometry.rate
        low, high = (middle, high) if above else (low, middle)
    return (low + high) / 2


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
