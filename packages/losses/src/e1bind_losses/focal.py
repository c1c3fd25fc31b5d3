"""Focal loss on the scores of a head, for classes as uneven as 1 to 60.

Shape legend: R labelled residues, V views, D embedding width.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from e1bind.contracts import LossInputs, LossOutput
from e1bind_losses.options import FocalOptions
from e1bind_losses.precision import full_precision, mean_over_residues
from e1bind_losses.scores import scores_of


class Focal(nn.Module):
    """Mean over residues of -alpha_t (1 - p_t)^gamma log p_t, p_t the probability given to the true label.

    Lin et al., "Focal Loss for Dense Object Detection" (2017), equation 5.

    In:  scores [R], logits with a graph (without them those of embeddings [R, V, D] and prototype [D], unit length,
         and view_mask [R, V]; a residue masked in all views is scored on all of them); labels [R] of 0 or 1.
    Out: scalar >= 0; a zero with a graph where R = 0.
    """

    def __init__(self, options: FocalOptions) -> None:
        super().__init__()
        self.scoring_temperature = options.scoring_temperature
        self.gamma = options.gamma
        self.alpha = options.alpha

    @full_precision
    def forward(self, batch: LossInputs) -> LossOutput:
        score_R = scores_of(batch, self.scoring_temperature)
        binds_R = batch.labels == 1
        own_R = torch.where(binds_R, score_R, -score_R)
        # log(1 - p_t) = logsigmoid(-own): the power stays exact, with a gradient, for p_t close to 0 and to 1.
        loss_R = torch.exp(self.gamma * F.logsigmoid(-own_R)) * F.softplus(-own_R)
        if self.alpha is not None:
            loss_R = loss_R * torch.where(binds_R, self.alpha, 1 - self.alpha).to(loss_R.dtype)
        return LossOutput(mean_over_residues(loss_R.sum(), score_R))
