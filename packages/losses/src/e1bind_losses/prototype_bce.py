"""Binary cross-entropy on the scores of `e1bind.scoring`, the same as in validation and prediction.

Shape legend: R labelled residues, V views, D embedding width.
"""

from __future__ import annotations

from torch import nn
from torch.nn import functional as F

from e1bind.contracts import LossInputs, LossOutput
from e1bind.scoring import prototype_scores
from e1bind_losses.options import PrototypeBCEOptions
from e1bind_losses.precision import full_precision, mean_over_residues


class PrototypeBCE(nn.Module):
    """Mean over residues of the cross-entropy between sigmoid(score) and the label.

    In:  embeddings [R, V, D] and prototype [D], unit length; view_mask [R, V]; labels [R] of 0 or 1.
    Out: scalar >= 0; a zero with a graph where R = 0. A residue masked in all views is scored on all of them.
    In training, targets are 1 - label_smoothing and label_smoothing; in eval mode they are 1 and 0.
    """

    def __init__(self, options: PrototypeBCEOptions) -> None:
        super().__init__()
        self.scoring_temperature = options.scoring_temperature
        self.label_smoothing = options.label_smoothing
        self.pos_weight = options.pos_weight

    @full_precision
    def forward(self, batch: LossInputs) -> LossOutput:
        score_R = prototype_scores(batch.embeddings, batch.view_mask, batch.prototype, self.scoring_temperature)
        target_R = (batch.labels == 1).to(score_R.dtype)
        if self.training:
            target_R = target_R + self.label_smoothing * (1 - 2 * target_R)
        weight = None if self.pos_weight is None else score_R.new_tensor(self.pos_weight)
        total = F.binary_cross_entropy_with_logits(score_R, target_R, pos_weight=weight, reduction="sum")
        return LossOutput(mean_over_residues(total, score_R))
