"""Binary cross-entropy on the scores of `e1bind.scoring`, the same as in validation and prediction.

Shape legend: R labelled residues, V views, D embedding width.
"""

from __future__ import annotations

from torch import nn

from e1bind.contracts import LossInputs, LossOutput
from e1bind.scoring import prototype_scores
from e1bind_losses.options import PrototypeBCEOptions
from e1bind_losses.precision import full_precision
from e1bind_losses.scores import smoothed_cross_entropy


class PrototypeBCE(nn.Module):
    """Mean over residues of the cross-entropy between sigmoid(score) and the label.

    In:  embeddings [R, V, D] and prototype [D], unit length; view_mask [R, V]; labels [R] of 0 or 1.
    Out: scalar >= 0; a zero with a graph where R = 0. A residue masked in all views is scored on all of them.
    In training, targets are 1 - label_smoothing and label_smoothing; in eval mode they are 1 and 0.
    """

    def __init__(self, options: PrototypeBCEOptions) -> None:
        super().__init__()
        self.options = options

    @full_precision
    def forward(self, batch: LossInputs) -> LossOutput:
        temperature = self.options.scoring_temperature
        score_R = prototype_scores(batch.embeddings, batch.view_mask, batch.prototype, temperature)
        return LossOutput(smoothed_cross_entropy(score_R, batch.labels, self.options, self.training))
