"""Asymmetric loss on the scores of a head: each class has a focus of its own, easy negatives are dropped.

Shape legend: R labelled residues, V views, D embedding width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from e1bind.contracts import LossInputs, LossOutput
from e1bind_losses.options import AsymmetricOptions
from e1bind_losses.precision import full_precision, mean_over_residues
from e1bind_losses.scores import scores_of


class Asymmetric(nn.Module):
    """Mean over residues of, with p the probability of binding and q = max(p - clip, 0),

        -(1 - p)^gamma_pos log p         for binding residues,
        -q^gamma_neg log(1 - q)          for the others.

    Ridnik et al., "Asymmetric Loss For Multi-Label Classification" (2021), equations 5 to 7.

    In:  scores [R], logits with a graph (without them those of embeddings [R, V, D] and prototype [D], unit length,
         and view_mask [R, V]; a residue masked in all views is scored on all of them); labels [R] of 0 or 1.
    Out: scalar >= 0; a zero with a graph where R = 0.
    """

    def __init__(self, options: AsymmetricOptions) -> None:
        super().__init__()
        self.scoring_temperature = options.scoring_temperature
        self.gamma_pos = options.gamma_pos
        self.gamma_neg = options.gamma_neg
        self.clip = options.clip

    @full_precision
    def forward(self, batch: LossInputs) -> LossOutput:
        score_R = scores_of(batch, self.scoring_temperature)
        pos_R = torch.exp(self.gamma_pos * F.logsigmoid(-score_R)) * F.softplus(-score_R)
        loss_R = torch.where(batch.labels == 1, pos_R, self._negative(score_R))
        return LossOutput(mean_over_residues(loss_R.sum(), score_R))

    def _negative(self, score_R: Tensor) -> Tensor:
        if self.clip == 0:
            return torch.exp(self.gamma_neg * F.logsigmoid(score_R)) * F.softplus(score_R)
        shifted_R = score_R.sigmoid() - self.clip
        # Dropped residues get q = clip here and the factor 0 below: q^gamma has no gradient at q = 0. Written so
        # that NaN, which compares false, counts as not dropped.
        dropped_R = shifted_R <= 0
        q_R = torch.where(dropped_R, self.clip, shifted_R)
        return (q_R**self.gamma_neg * -torch.log1p(-q_R)).masked_fill(dropped_R, 0)
