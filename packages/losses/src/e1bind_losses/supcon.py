"""Supervised contrastive loss on binding labels.

Shape legend: R labelled residues, V views, D embedding width. A pair is a (residue, view) pair; it is valid where
the residue is not masked in that view.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from e1bind.contracts import LossInputs, LossOutput
from e1bind_losses.contrast.similarities import mean_over_anchors, similarities
from e1bind_losses.contrast.tiled import Settings
from e1bind_losses.options import SupConOptions
from e1bind_losses.precision import full_precision


class SupCon(nn.Module):
    """Mean over anchors of logsumexp_j s_j - mean_p s_p, s = cosine / temperature.

    Anchors are valid pairs with another valid pair of the same label (anchors = "binding": only those labelled 1);
    p runs over the other valid pairs of that label, j over all other valid pairs. Khosla et al., "Supervised
    Contrastive Learning" (2020), equation 2, without memory: the mean over positives is an inner product with the
    sum of their class.

    In:  embeddings [R, V, D], unit length; view_mask [R, V]; labels [R] of 0 or 1.
    Out: scalar >= 0; a zero with a graph where nothing is an anchor.
    Logs: the number of anchors.
    """

    def __init__(self, options: SupConOptions) -> None:
        super().__init__()
        self.settings = Settings.of(options)
        self.binding_only = options.anchors == "binding"

    @full_precision
    def forward(self, batch: LossInputs) -> LossOutput:
        log_sum_RV, own_RVV, *_ = similarities(batch.embeddings, batch.view_mask, self.settings)
        near_RV, positives_R1 = self._positives(batch, own_RVV)
        anchor_RV = batch.view_mask & (positives_R1 > 0)
        if self.binding_only:
            anchor_RV &= (batch.labels == 1).unsqueeze(1)
        value = mean_over_anchors(log_sum_RV - near_RV, anchor_RV)
        return LossOutput(value, {"anchors": anchor_RV.sum()})

    def _positives(self, batch: LossInputs, own_RVV: Tensor) -> tuple[Tensor, Tensor]:
        """Mean of s over the other valid pairs with a pair's label [R, V], and how many those are [R, 1]."""
        e_RVD = batch.embeddings
        binds_R1 = (batch.labels == 1).unsqueeze(1)
        member_2RV = torch.stack([~binds_R1 & batch.view_mask, binds_R1 & batch.view_mask])
        sum_2D = member_2RV.flatten(1).to(e_RVD.dtype) @ e_RVD.flatten(0, 1)
        negative_RV, positive_RV = (e_RVD @ sum_2D.T).unbind(2)
        with_itself_RV = self.settings.scale * torch.where(binds_R1, positive_RV, negative_RV)
        others_2 = member_2RV.sum((1, 2)) - 1
        others_R1 = torch.where(binds_R1, others_2[1], others_2[0])
        return (with_itself_RV - own_RVV.diagonal(dim1=1, dim2=2)) / others_R1.clamp_min(1), others_R1
