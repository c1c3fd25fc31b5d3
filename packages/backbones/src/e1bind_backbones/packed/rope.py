"""Rotary position embedding over the full head width, half-split pairing.

Shape legend: N tokens, h heads, d head width.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

Rotation = tuple[Tensor, Tensor]
"""cos and signed sin of every token's angles, [N, 1, d] each; the sines of the first half are negated."""


def rotation(position_N: Tensor, head_dim: int, theta: float, dtype: torch.dtype) -> Rotation:
    """Angles p * theta^(-2j/d), computed in fp32; their cosines and sines are returned in `dtype`."""
    with torch.autocast(position_N.device.type, enabled=False):
        exponent = torch.arange(0, head_dim, 2, device=position_N.device, dtype=torch.float32) / head_dim
        angle = position_N.float()[:, None, None] * theta**-exponent
        cos, sin = angle.cos().to(dtype), angle.sin().to(dtype)
        return torch.cat([cos, cos], dim=-1), torch.cat([-sin, sin], dim=-1)


def rotate(x_Nhd: Tensor, turn: Rotation) -> Tensor:
    """Turn component j against component j + d/2."""
    return _Rotate.apply(x_Nhd, *turn)


class _Rotate(torch.autograd.Function):
    """x cos + roll(x) sin; its transpose, the turn back, is the same with the sines negated."""

    @staticmethod
    def forward(ctx: Any, x_Nhd: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        ctx.save_for_backward(cos, sin)
        return _turn(x_Nhd, cos, sin, 1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        cos, sin = ctx.saved_tensors
        return _turn(gradients[0], cos, sin, -1), None, None


def _turn(x_Nhd: Tensor, cos: Tensor, sin: Tensor, sign: int) -> Tensor:
    return (x_Nhd * cos).addcmul_(x_Nhd.roll(x_Nhd.shape[-1] // 2, dims=-1), sin, value=sign)
