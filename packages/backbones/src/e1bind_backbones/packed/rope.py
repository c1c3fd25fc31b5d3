"""Rotary position embedding over the full head width, half-split pairing, of clamped queries and keys.

Shape legend: N tokens, h heads, d head width.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from e1bind_backbones.packed.elementwise import clamp
from e1bind_backbones.packed.kernel_use import has_kernels

SMALLEST_HALF = 8
"""Of a head's width, that the kernel takes; it has to be a power of two."""
Rotation = tuple[Tensor, Tensor]
"""cos and signed sin of every token's angles, [N, 1, d] each; the sines of the first half are negated."""


def rotation(position_N: Tensor, head_dim: int, theta: float, dtype: torch.dtype) -> Rotation:
    """Angles p * theta^(-2j/d), computed in fp32; their cosines and sines are returned in `dtype`."""
    with torch.autocast(position_N.device.type, enabled=False):
        exponent = torch.arange(0, head_dim, 2, device=position_N.device, dtype=torch.float32) / head_dim
        angle = position_N.float()[:, None, None] * theta**-exponent
        cos, sin = angle.cos().to(dtype), angle.sin().to(dtype)
        return torch.cat([cos, cos], dim=-1), torch.cat([-sin, sin], dim=-1)


def turned_heads(
    q: Tensor, k: Tensor, v: Tensor, turns: tuple[Rotation, Rotation], bound: float | None
) -> tuple[Tensor, Tensor, Tensor]:
    """q, k and v [N, h, d] clamped to [-bound, bound], then q and k rotated by their `turns`.

    q may be of fewer tokens. On a GPU one kernel does all of it.
    """
    half = q.shape[-1] // 2
    if half >= SMALLEST_HALF and half & (half - 1) == 0 and has_kernels(q):
        return _TurnedHeads.apply(q, k, v, *turns[0], *turns[1], bound)
    if bound is not None:
        q, k, v = (clamp(x, bound) for x in (q, k, v))
    return rotate(q, turns[0]), rotate(k, turns[1]), v


class _TurnedHeads(torch.autograd.Function):
    """The kernel forward, and the same one with the turn and the clamping taken back."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, *turns_and_bound: Any) -> tuple[Tensor, Tensor, Tensor]:
        from e1bind_backbones.packed.gpu_kernels import Heads, Turns, turn  # triton is not everywhere

        *turns, bound = turns_and_bound
        heads = Heads(q.contiguous(), k.contiguous(), v.contiguous())
        ctx.save_for_backward(*turns, *(() if bound is None else heads))
        ctx.bound = bound
        results = turn(heads, Turns(*turns), bound)
        return results.q, results.k, v.view_as(v) if bound is None else results.v

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        from e1bind_backbones.packed.gpu_kernels import Heads, Turns, turn

        saved = ctx.saved_tensors  # asked for once: checkpointing gives them out once
        turns, raw = Turns(*saved[:4]), saved[4:]
        given = Heads(*(gradient.contiguous() for gradient in gradients))
        return *turn(given, turns, ctx.bound, Heads(*raw) if raw else given), *[None] * 5


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
