"""A loss as one of two ranks, each with half of the residues of a batch, and as one with all of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist

from e1bind.contracts import LossInputs
from e1bind.testing.loss_inputs import loss_inputs, with_embeddings

EPSILON = 1e-4
RESIDUES = 12


def _part(rows: slice) -> LossInputs:
    """Some residues of the batch. Nothing is masked, so that no masked tokens have to be divided."""
    whole = loss_inputs(R=RESIDUES, masked=0)
    kept = {name: getattr(whole, name)[rows] for name in ("view_mask", "labels", "protein")}
    return with_embeddings(replace(whole, **kept), whole.embeddings[rows])


def _value_and_gradient(loss: nn.Module, inputs: LossInputs) -> tuple[float, Tensor]:
    value = loss.train()(inputs).value
    value.backward()
    gradient = inputs.embeddings.grad
    return float(value.detach()), torch.zeros_like(inputs.embeddings) if gradient is None else gradient


def whole_batch(loss: nn.Module) -> tuple[float, Tensor]:
    """Value and gradient [R, V, D] of one process with all residues."""
    return _value_and_gradient(loss, _part(slice(None)))


def as_rank(loss: nn.Module, rank: int, store: str) -> dict[str, Any]:
    """Value and gradient of rank 0 or 1 of two, which meet in the file `store`."""
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    try:
        half = RESIDUES // 2
        value, gradient = _value_and_gradient(loss, _part(slice(rank * half, (rank + 1) * half)))
        return {"value": value, "gradient": gradient.tolist()}
    finally:
        dist.destroy_process_group()
