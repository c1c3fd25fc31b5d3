"""A number to take gradients of. Squares of states behind a plain norm add up to a constant: rounding is left."""

from __future__ import annotations

import torch
from torch import Tensor


def weighted_sum(states: Tensor) -> Tensor:
    """The sum of all states, each with a weight of its own from -1 to 1."""
    return (states * torch.linspace(-1, 1, states.numel(), dtype=states.dtype).view_as(states)).sum()
