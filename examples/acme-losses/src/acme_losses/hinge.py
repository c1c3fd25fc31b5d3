"""Hinge loss on prototype similarities. Shape legend: R labelled residues, V views, D embedding width."""

from torch import nn

from acme_losses.options import PrototypeHingeOptions
from e1bind.contracts import LossInputs, LossOutput


class PrototypeHinge(nn.Module):
    """Penalise residues whose similarities to the two prototypes are less than `margin` apart.

    Mean over the unmasked (residue, view) pairs; without any, a zero that still carries a gradient.
    """

    def __init__(self, options: PrototypeHingeOptions) -> None:
        super().__init__()
        self.margin = options.margin

    def forward(self, batch: LossInputs) -> LossOutput:
        sign_R1 = (2 * batch.labels - 1).to(batch.embeddings.dtype).unsqueeze(1)
        gap_RV = 2 * sign_R1 * (batch.embeddings @ batch.prototype)
        hinge_RV = (self.margin - gap_RV).clamp_min(0) * batch.view_mask
        pairs = batch.view_mask.sum().clamp_min(1)
        return LossOutput(hinge_RV.sum() / pairs, logs={"active": (hinge_RV > 0).sum() / pairs})
