"""Whether a padded row with masked residues is computed as it is alone: a check of the installed libraries.

Some versions of transformers rescale the embeddings of all rows of a batch by what one of them masks, and nobody
would notice: all weights are right, and the residues are off by a fifth.

Shape legend: R residues of all chains, V = 1 view, D embedding width.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from e1bind.contracts import STANDARD_RESIDUES, TokenBatch, View, ViewEncoder
from e1bind.contracts.views import MASK
from e1bind.errors import UserError

LENGTHS = (7, 16)
"""Residues of the row that is padded, and of the row it is padded to."""
MASKED = (2, 5)
TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-3}
"""Largest difference, as a share of the largest number, by dtype; what is not here has few digits."""
COARSE = 0.05


class Padded(Protocol):
    """What of a backbone the check uses."""

    max_residues: int | None

    def encoder(self) -> ViewEncoder:
        """The tokenising half."""
        ...

    def hidden(self, model: nn.Module, batch: TokenBatch) -> Tensor:
        """Hidden states of all tokens."""
        ...


def check_padding(backbone: Padded, model: nn.Module, option: str, called: str) -> None:
    """Raise `UserError` unless a padded, masked row gives the same hidden states as it does alone."""
    longest = backbone.max_residues or max(LENGTHS)
    short, long = (_chain(min(length, longest - (length < max(LENGTHS)))) for length in LENGTHS)
    if not 0 < len(short) < len(long):
        return  # the model takes no row that could be padded
    alone = _states(backbone, model, [_masked(short)])
    beside = _states(backbone, model, [_masked(short), View.unmasked(long)])[: len(short)]
    scale, difference = float(alone.abs().max()), float((alone - beside).abs().max())
    if not difference <= tolerance(model) * scale:
        raise UserError(
            f"{option}: {called} computes a masked row differently in a padded batch than alone: residues differ "
            f"by {difference:.2g} where the scale is {scale:.2g}; transformers {version('transformers')} is "
            "installed, and before 5.3 it does so with ESM-2: install 5.3 or later"
        )


def tolerance(model: nn.Module) -> float:
    """Largest difference between two ways to compute a model's states, as a share of the largest number."""
    return TOLERANCE.get(next(model.parameters()).dtype, COARSE)


def _chain(length: int) -> str:
    return (STANDARD_RESIDUES * 2)[:length]


def _masked(chain: str) -> View:
    selected = np.isin(np.arange(len(chain)), MASKED)
    visible = "".join(MASK if hidden else letter for hidden, letter in zip(selected, chain, strict=True))
    return View(chain, visible, selected)


def _states(backbone: Padded, model: nn.Module, views: list[View]) -> Tensor:
    """Hidden states of the residues, chain after chain, [R, D]."""
    batch = backbone.encoder().encode([[view] for view in views])
    training = model.training
    with torch.no_grad():
        hidden = backbone.hidden(model.eval(), batch.to(next(model.parameters()).device))
    model.train(training)
    return hidden[batch.token_RV[:, 0].to(hidden.device)]
