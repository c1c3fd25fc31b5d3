"""Binary cross-entropy on the scores of the run's head.

Shape legend: R labelled residues.
"""

from __future__ import annotations

from torch import nn

from e1bind.contracts import LossInputs, LossOutput
from e1bind_losses.options import BCEOptions
from e1bind_losses.precision import full_precision
from e1bind_losses.scores import smoothed_cross_entropy


class BCE(nn.Module):
    """Mean over residues of the cross-entropy between sigmoid(score) and the label.

    In:  scores [R], logits with a graph; labels [R] of 0 or 1.
    Out: scalar >= 0; a zero with a graph where R = 0.
    In training, targets are 1 - label_smoothing and label_smoothing; in eval mode they are 1 and 0.
    Raises `ValueError` where the host gave no scores.
    """

    def __init__(self, options: BCEOptions) -> None:
        super().__init__()
        self.options = options

    @full_precision
    def forward(self, batch: LossInputs) -> LossOutput:
        if batch.scores is None:
            raise ValueError("LossInputs.scores is None, but the loss 'bce' is one on the scores of a head")
        return LossOutput(smoothed_cross_entropy(batch.scores, batch.labels, self.options, self.training))
