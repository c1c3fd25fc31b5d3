"""Supervised contrastive loss on binding labels.

Shape legend: R labelled residues, V views, D embedding width, N valid (residue, view) pairs.
"""

from __future__ import annotations

import torch
from torch import nn

from e1bind.contracts import LossInputs, LossOutput
from e1bind_losses.options import SupConOptions
from e1bind_losses.precision import full_precision, zero_with_graph


class SupCon(nn.Module):
    """Mean over anchors of logsumexp over all other valid pairs - mean over those with the anchor's label."""

    def __init__(self, options: SupConOptions) -> None:
        super().__init__()
        self.options = options

    @full_precision
    def forward(self, batch: LossInputs) -> LossOutput:
        z_ND = batch.embeddings[batch.view_mask]
        label_N = batch.labels.unsqueeze(1).expand_as(batch.view_mask)[batch.view_mask]
        self_NN = torch.eye(len(z_ND), dtype=torch.bool, device=z_ND.device)
        positive_NN = (label_N[:, None] == label_N[None]) & ~self_NN
        anchor_N = positive_NN.any(1)
        if self.options.anchors == "binding":
            anchor_N = anchor_N & (label_N == 1)
        if not bool(anchor_N.any()):
            return LossOutput(zero_with_graph(batch.embeddings))
        s_NN = z_ND @ z_ND.T / self.options.temperature
        all_N = s_NN.masked_fill(self_NN, -torch.inf).logsumexp(1)
        near_N = (s_NN * positive_NN).sum(1) / positive_NN.sum(1).clamp_min(1)
        return LossOutput((all_N - near_N)[anchor_N].mean())
