"""Rotary position embedding over the full head width, half-split pairing.

Shape legend: N tokens, h heads, d head width.
"""

from __future__ import annotations

import torch
from torch import Tensor

Rotation = tuple[Tensor, Tensor]
"""cos and sin of every token's angles, [N, 1, d/2] each."""


def rotation(position_N: Tensor, head_dim: int, theta: float, dtype: torch.dtype) -> Rotation:
    """Angles p * theta^(-2j/d), computed in fp32; their cosines and sines are returned in `dtype`."""
    with torch.autocast(position_N.device.type, enabled=False):
        exponent = torch.arange(0, head_dim, 2, device=position_N.device, dtype=torch.float32) / head_dim
        angle = position_N.float()[:, None, None] * theta**-exponent
        return angle.cos().to(dtype), angle.sin().to(dtype)


def rotate(x_Nhd: Tensor, turn: Rotation) -> Tensor:
    """Turn component j against component j + d/2."""
    cos, sin = turn
    a, b = x_Nhd.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)
