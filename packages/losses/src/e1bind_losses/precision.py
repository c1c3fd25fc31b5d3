"""Losses are computed in full precision, whatever the backbone's dtype and whatever autocast says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import TypeVar

import torch
from torch import Tensor

from e1bind.contracts import LossInputs, LossOutput

Module = TypeVar("Module")
Forward = Callable[[Module, LossInputs], LossOutput]


def full_precision(
    forward: Callable[[Module, LossInputs], LossOutput],
) -> Callable[[Module, LossInputs], LossOutput]:
    """Make a loss's `forward` run outside autocast, with bf16 and fp16 inputs as fp32; float64 stays."""

    @wraps(forward)
    def run(self: Module, batch: LossInputs) -> LossOutput:
        with torch.autocast(batch.embeddings.device.type, enabled=False):
            return forward(self, _widened(batch))

    return run


def zero_with_graph(tensor: Tensor) -> Tensor:
    """A scalar zero that backward can start from; NaN where `tensor` is not finite, so that nothing is hidden."""
    return tensor.sum() * 0


def mean_over_residues(total: Tensor, score_R: Tensor) -> Tensor:
    """`total` / R, 0 for R = 0. An infinite score may well have the loss 0; it shows as NaN all the same."""
    return (total + zero_with_graph(score_R)) / max(len(score_R), 1)


def _widened(batch: LossInputs) -> LossInputs:
    mlm = batch.mlm and replace(batch.mlm, logits=_wide(batch.mlm.logits))
    scores = batch.scores if batch.scores is None else _wide(batch.scores)
    return replace(
        batch, embeddings=_wide(batch.embeddings), prototype=_wide(batch.prototype), mlm=mlm, scores=scores
    )


def _wide(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.dtype in (torch.bfloat16, torch.float16) else tensor
