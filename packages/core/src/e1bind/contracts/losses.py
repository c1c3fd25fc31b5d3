"""What a loss is called with, and what it answers.

Shape legend: R labelled residues, V views, D width, K masked (residue, view) pairs, C entries of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ResidueViews:
    """Labelled residues of one batch and one ion, gathered from the hidden states.

    `embeddings` fp32 [R, V, D], unit length. `view_mask` bool [R, V], false where the residue is masked in that
    view. `labels` int64 [R] of 0 or 1. `protein` int64 [R], index of the residue's protein within the batch.
    """

    embeddings: Tensor
    view_mask: Tensor
    labels: Tensor
    protein: Tensor


@dataclass(frozen=True)
class MaskedTokens:
    """The masked (residue, view) pairs of a batch, labelled residues or not.

    `logits` fp32 [K, C] of the backbone's pretrained head, `targets` int64 [K] the true token, `view` int64 [K]
    the view the pair stands in, `num_views` V.
    """

    logits: Tensor
    targets: Tensor
    view: Tensor
    num_views: int


@dataclass(frozen=True)
class LossInputs(ResidueViews):
    """What a loss is called with: the residues, the ion's prototype, the head's scores, and the masked tokens.

    `prototype` fp32 [D] is the unit vector of binding residues; the one of non-binding residues is its negation.
    A run whose head has no prototypes refuses losses that need "prototypes"; the others find NaN there, so that
    one that uses it without saying so is found out.
    `scores` fp32 [R]: the head's logits, with their graph; None where a loss is called without a head.
    `mlm` is None unless a loss of the run needs "mlm-logits".
    """

    prototype: Tensor
    mlm: MaskedTokens | None = None
    scores: Tensor | None = None


@dataclass(frozen=True)
class LossOutput:
    """A scalar with a graph, and scalars worth logging (NaN = nothing to measure in this batch)."""

    value: Tensor
    logs: Mapping[str, Tensor] = field(default_factory=dict)


class Loss(Protocol):
    """A `torch.nn.Module` built as `target(options)`; train and eval mode are the module's own."""

    def __call__(self, batch: LossInputs) -> LossOutput: ...
