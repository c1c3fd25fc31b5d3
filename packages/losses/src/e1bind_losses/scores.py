"""What losses on scores share: whose scores they are, and cross-entropy with smoothed targets.

Shape legend: R labelled residues.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from e1bind.contracts import LossInputs
from e1bind.scoring import prototype_scores
from e1bind_losses.options import BCEOptions
from e1bind_losses.precision import mean_over_residues


def scores_of(batch: LossInputs, scoring_temperature: float) -> Tensor:
    """Logits [R]: the head's, or without a head those of the prototype, which are the same for a prototype head."""
    if batch.scores is not None:
        return batch.scores
    return prototype_scores(batch.embeddings, batch.view_mask, batch.prototype, scoring_temperature)


def smoothed_cross_entropy(score_R: Tensor, labels_R: Tensor, options: BCEOptions, training: bool) -> Tensor:
    """Mean over residues of the cross-entropy between sigmoid(score) and the label.

    In training, targets are 1 - label_smoothing and label_smoothing; otherwise 1 and 0.
    """
    target_R = (labels_R == 1).to(score_R.dtype)
    if training:
        target_R = target_R + options.label_smoothing * (1 - 2 * target_R)
    weight = None if options.pos_weight is None else score_R.new_tensor(options.pos_weight)
    total = F.binary_cross_entropy_with_logits(score_R, target_R, pos_weight=weight, reduction="sum")
    return mean_over_residues(total, score_R)
