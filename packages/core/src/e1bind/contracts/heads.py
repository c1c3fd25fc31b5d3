"""What turns embeddings into scores.

Shape legend: R residues of a batch, V views, P width of the space embeddings are compared in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class HeadStart:
    """What is known of an ion's training residues before training; the same on every rank.

    Of the residues with a known label in the chains a prototype is made of (`prototypes.max_samples`), seen
    unmasked and in one view by the untrained model: `mean_P` and `std_P` fp32 of their embeddings, which are
    projected but not normalised; how many they are, and how many of them bind.
    """

    mean_P: Tensor
    std_P: Tensor
    residues: int
    positives: int


@dataclass(frozen=True)
class HeadInputs:
    """The residues of one batch and ion.

    `raw` fp32 [R, V, P]: embeddings, projected but not normalised. `unit`: the same as unit vectors (of
    raw - center where the prototype has a center). `view_mask` bool [R, V], false where the residue is masked in
    that view.
    `prototype` fp32 [P]: the ion's unit prototype; None unless the head's descriptor provides "prototypes".
    `scoring_temperature`: the run's, for scores made of similarities.
    """

    ion: str
    raw: Tensor
    unit: Tensor
    view_mask: Tensor
    prototype: Tensor | None
    scoring_temperature: float


class HeadModule(Protocol):
    """A `torch.nn.Module`: its parameters are trained, parameters and buffers are saved with each fold."""

    def start(self, ion: str, start: HeadStart) -> None:
        """Set what is fitted before training. Called once for each ion of a new fold, never for a resumed one."""
        ...

    def __call__(self, inputs: HeadInputs) -> Tensor:
        """Scores [R], logits: the probability is their sigmoid. Every residue gets a finite one."""
        ...


class Head(Protocol):
    """Scores residues. Built as `target(options)`; its descriptor provides "scores" and perhaps "prototypes"."""

    def module(self, ions: Sequence[str], width: int) -> nn.Module:
        """A fresh `HeadModule` for these ions and embeddings of `width`; the same every time it is asked for."""
        ...
