"""Projections of one tensor, in one operation where the modules know how."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


def project(modules: Sequence[nn.Module], x: Tensor) -> Sequence[Tensor]:
    """What each module makes of `x`.

    A module may offer `together(modules, x)`, which computes them all at once, or returns None where it cannot:
    layers with LoRA do, see `e1bind.engine.lora_linear`. Checkpoints keep a weight for each projection.
    """
    together = getattr(modules[0], "together", None)
    found = None if together is None else together(modules, x)
    return [module(x) for module in modules] if found is None else found
