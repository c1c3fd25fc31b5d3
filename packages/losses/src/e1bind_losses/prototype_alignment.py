"""Prototype alignment: residues that do not keep their margin are pulled to their own prototype.

Shape legend: R labelled residues, V views, D embedding width. A pair is a (residue, scored view) pair.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from e1bind.contracts import LossInputs, LossOutput
from e1bind.scoring import scored_views
from e1bind_losses.options import PrototypeAlignmentOptions
from e1bind_losses.precision import full_precision, zero_with_graph


class PrototypeAlignment(nn.Module):
    """Mean over pairs with `sim_own <= sim_other + eps` of -log softmax([sim_own, sim_other] / temperature)[0].

    With the negative prototype the negation of the positive one, a similarity s to the own prototype gives
    `softplus(-2 s / temperature)`, and pairs with `2 s > eps` are left alone.

    In:  embeddings [R, V, D] and prototype [D], unit length; view_mask [R, V]; labels [R] of 0 or 1.
    Out: scalar >= 0; a zero with a graph where no pair is left. A residue masked in all views keeps all of them.
    Logs: the share of pairs pulled and the mean similarities to both prototypes, over all residues and by class;
    NaN where the batch holds nothing of a class.
    """

    def __init__(self, options: PrototypeAlignmentOptions) -> None:
        super().__init__()
        self.temperature = options.temperature
        self.eps_pos = options.eps_pos
        self.eps_neg = options.eps_neg

    @full_precision
    def forward(self, batch: LossInputs) -> LossOutput:
        s_RV = batch.embeddings @ batch.prototype
        binds_R1 = (batch.labels == 1).unsqueeze(1)
        own_RV = torch.where(binds_R1, s_RV, -s_RV)
        eps_R1 = torch.where(binds_R1, self.eps_pos, self.eps_neg).to(s_RV.dtype)
        scored_RV = scored_views(batch.view_mask)
        pulled_RV = (2 * own_RV <= eps_R1) & scored_RV
        pull_RV = F.softplus(-2 * own_RV / self.temperature).masked_fill(~pulled_RV, 0)
        # NaN and infinity may stand among the pairs that are not pulled, and must show all the same.
        value = (pull_RV.sum() + zero_with_graph(s_RV)) / pulled_RV.sum().clamp_min(1)
        return LossOutput(value, _logs(s_RV.detach(), pulled_RV, scored_RV, binds_R1))


def _logs(s_RV: Tensor, pulled_RV: Tensor, scored_RV: Tensor, binds_R1: Tensor) -> dict[str, Tensor]:
    logs = {
        "pull_mask_ratio": _mean(pulled_RV, scored_RV),
        "sim_pos": _mean(s_RV, scored_RV),
        "sim_neg": _mean(-s_RV, scored_RV),
    }
    for name, of_class_R1 in (("pos", binds_R1), ("neg", ~binds_R1)):
        pairs_RV = scored_RV & of_class_R1
        logs[f"sim_pos|{name}"] = _mean(s_RV, pairs_RV)
        logs[f"pull_mask_ratio|{name}"] = _mean(pulled_RV, pairs_RV)
    return logs


def _mean(values_RV: Tensor, pairs_RV: Tensor) -> Tensor:
    """Mean of the chosen entries; 0 / 0 = NaN where there is none."""
    return (values_RV.to(torch.float32) * pairs_RV).sum() / pairs_RV.sum()
