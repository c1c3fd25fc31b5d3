"""A trained linear classifier for each ion on the embeddings.

Shape legend: R residues, V views, P width of the embeddings, I ions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from e1bind.contracts import HeadInputs, HeadStart
from e1bind.heads.options import LinearHeadOptions
from e1bind.scoring import scored_views

TINY = 1e-6
"""Least standard deviation an embedding's coordinate is divided by: a constant one tells nothing."""


class LinearHead:
    """Logistic regression on standardised embeddings, trained together with the adapter."""

    def __init__(self, options: LinearHeadOptions) -> None:
        self.options = options

    def module(self, ions: Sequence[str], width: int) -> nn.Module:
        """A classifier that calls every residue as likely to bind as any other."""
        return LinearScores(ions, width, self.options.dropout)


class LinearScores(nn.Module):
    """Mean over scored views of `w . (raw - mean) / std + b`.

    Mean and standard deviation are those of the ion's training residues before training, and frozen. Weights begin
    at 0 and the bias at the log-odds of binding, so that the first step moves towards the classes' difference.
    """

    mean_IP: Tensor
    std_IP: Tensor

    def __init__(self, ions: Sequence[str], width: int, dropout: float) -> None:
        super().__init__()
        self.row = {ion: row for row, ion in enumerate(ions)}
        self.dropout = dropout
        # One tensor for all ions: a batch of one ion gives the others a gradient of 0, and none is left out.
        self.weight_IP = nn.Parameter(torch.zeros(len(self.row), width))
        self.bias_I = nn.Parameter(torch.zeros(len(self.row)))
        self.register_buffer("mean_IP", torch.zeros(len(self.row), width))
        self.register_buffer("std_IP", torch.ones(len(self.row), width))

    @torch.no_grad()
    def start(self, ion: str, start: HeadStart) -> None:
        """Take up the ion's moments and its share of binding residues."""
        row = self.row[ion]
        self.mean_IP[row] = start.mean_P
        self.std_IP[row] = start.std_P.clamp_min(TINY)
        self.bias_I[row] = math.log((start.positives + 1) / (start.residues - start.positives + 1))

    def forward(self, inputs: HeadInputs) -> Tensor:
        """Logits [R]; a residue masked in all views is scored on all of them."""
        row = self.row[inputs.ion]
        weight_RV = scored_views(inputs.view_mask).to(inputs.raw.dtype)
        standard_RVP = (inputs.raw - self.mean_IP[row]) / self.std_IP[row]
        dropped_RVP = F.dropout(standard_RVP, self.dropout, self.training)
        logit_RV = dropped_RVP @ self.weight_IP[row] + self.bias_I[row]
        return (logit_RV * weight_RV).sum(1) / weight_RV.sum(1)
