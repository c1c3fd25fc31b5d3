"""The one scoring function: used by the losses, validation, out-of-fold predictions and `predict`.

Shape legend: R residues, V views, D embedding width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


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
