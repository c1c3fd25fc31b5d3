"""Running a batch in parts: one forward pass for each part's rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from e1bind_backbones.packed.layout import LayoutParts

RunPart = Callable[[Mapping[str, Any]], Tensor]
"""Runs the model on a part's inputs and returns its hidden states [rows, T, D]."""


def run_parts(run: RunPart, inputs: Mapping[str, Any]) -> Tensor:
    """Hidden states [M, T, D] of a batch: at once, or one part after the other where its layout has parts."""
    layout = inputs["layout"]
    if not isinstance(layout, LayoutParts):
        return run(inputs)
    return torch.cat([_run_part(run, part) for part in layout.inputs(inputs)])


def _run_part(run: RunPart, inputs: Mapping[str, Any]) -> Tensor:
    """Run one part, keeping nothing of it but its inputs and result: the backward pass computes it again.

    So only one part's activations exist at a time, at the cost of one more forward pass.
    """
    if not torch.is_grad_enabled():
        return run(inputs)
    return checkpoint(run, inputs, use_reentrant=False)
