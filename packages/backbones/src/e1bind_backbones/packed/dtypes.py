"""The dtype that layers compute in."""

from __future__ import annotations

import torch


def compute_dtype(device: torch.device, weights: torch.dtype) -> torch.dtype:
    """Autocast's where it is on for the device, else that of the weights."""
    return torch.get_autocast_dtype(device.type) if torch.is_autocast_enabled(device.type) else weights
