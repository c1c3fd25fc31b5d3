"""Prototypes, and the one scoring function: used by the losses, validation, out-of-fold predictions and `predict`.

Shape legend: R residues, V views, D embedding width, P prototype width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Scores = dict[str, NDArray[np.float32]]
"""Score (logit) of each residue, by chain id."""


@dataclass(frozen=True)
class Prototype:
    """One ion's prototype. `vector_P` is a unit vector, the negative prototype is its negation.

    `center_P` is subtracted from every embedding before it is normalised (zero unless `prototypes.center`).
    `sim_pos`, `sim_neg`: mean similarity of binding and of other residues at the start; their difference is the
    separation there is before any training.
    """

    vector_P: Tensor
    center_P: Tensor
    proteins: int
    positives: int
    residues: int
    sim_pos: float
    sim_neg: float

    def to(self, device: torch.device) -> Prototype:
        """The same prototype on `device`."""
        return Prototype(
            self.vector_P.to(device),
            self.center_P.to(device),
            self.proteins,
            self.positives,
            self.residues,
            self.sim_pos,
            self.sim_neg,
        )


def scored_views(view_mask_RV: Tensor) -> Tensor:
    """Views to average over, bool [R, V]: the unmasked ones, or all views of a residue masked in all of them."""
    return view_mask_RV | ~view_mask_RV.any(dim=1, keepdim=True)


def prototype_scores(
    embeddings_RVD: Tensor, view_mask_RV: Tensor, prototype_D: Tensor, scoring_temperature: float
) -> Tensor:
    """Logits [R] = mean over scored views of (sim_pos - sim_neg) / scoring_temperature.

    With the negative prototype the negation of the positive one this is 2 * sim_pos / scoring_temperature.
    Embeddings and prototype are unit vectors; the probability is the logit's sigmoid.
    """
    weight_RV = scored_views(view_mask_RV).to(embeddings_RVD.dtype)
    similarity_RV = embeddings_RVD @ prototype_D
    mean_R = (similarity_RV * weight_RV).sum(1) / weight_RV.sum(1)
    return 2 * mean_R / scoring_temperature


def probabilities(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logistic function of scores, worked out in float64; the same for every use."""
    with np.errstate(over="ignore"):  # exp of a large number is inf, and 1 / inf the right 0
        return (1.0 / (1.0 + np.exp(-scores.astype(np.float64)))).astype(np.float32)
