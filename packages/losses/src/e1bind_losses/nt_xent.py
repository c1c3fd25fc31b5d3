"""NT-Xent over residues: the views of one residue attract each other, everything else repels.

Shape legend: R labelled residues, V views, D embedding width, N valid (residue, view) pairs.
"""

from __future__ import annotations

import torch
from torch import nn

from e1bind.contracts import LossInputs, LossOutput
from e1bind_losses.options import NTXentOptions
from e1bind_losses.precision import full_precision, zero_with_graph


class NTXent(nn.Module):
    """Mean over anchors of logsumexp over all other valid pairs - mean over the residue's other valid views."""

    def __init__(self, options: NTXentOptions) -> None:
        super().__init__()
        self.options = options

    @full_precision
    def forward(self, batch: LossInputs) -> LossOutput:
        residue_N, view_N = batch.view_mask.nonzero(as_tuple=True)
        z_ND = batch.embeddings[residue_N, view_N]
        same_NN = residue_N[:, None] == residue_N[None]
        other_NN = ~torch.eye(len(z_ND), dtype=torch.bool, device=z_ND.device)
        positive_NN = same_NN & other_NN
        anchor_N = positive_NN.any(1)
        if not bool(anchor_N.any()):
            return LossOutput(zero_with_graph(batch.embeddings))
        s_NN = z_ND @ z_ND.T / self.options.temperature
        if self.options.negatives == "other-proteins":
            protein_N = batch.protein[residue_N]
            other_NN &= (protein_N[:, None] != protein_N[None]) | same_NN
        all_N = s_NN.masked_fill(~other_NN, -torch.inf).logsumexp(1)
        # The clamp: 0 / 0 of a residue with one view would reach the gradient.
        near_N = (s_NN * positive_NN).sum(1) / positive_NN.sum(1).clamp_min(1)
        return LossOutput((all_N - near_N)[anchor_N].mean())
