"""GPU kernels for what stands between the matrix products: one pass over memory where torch takes several.

Each computes in fp32 and rounds its result once. Their twins in plain torch are in `rope` and `elementwise`.

Shape legend: N tokens, h heads, d head width, b of the tokens in a block of the kernel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import triton
from torch import Tensor
from triton import language as tl

TOKENS = 64
"""Tokens of a block, of one head."""
ELEMENTS = 1024


class Heads(NamedTuple):
    """Queries, keys and values [N, h, d], or their gradients. Queries may be of other tokens than keys."""

    q: Tensor
    k: Tensor
    v: Tensor


class Turns(NamedTuple):
    """cos and signed sin [N, 1, d] of queries, then of keys (see `rope`)."""

    q_cos: Tensor
    q_sin: Tensor
    k_cos: Tensor
    k_sin: Tensor


@triton.jit
def turn_one(  # type: ignore[no-untyped-def]
    x, raw, out, cos, sin, tokens, block, head, bound,
    HEADS: tl.constexpr, HALF: tl.constexpr, CLAMP: tl.constexpr, BACK: tl.constexpr, TURN: tl.constexpr,
    B: tl.constexpr,
):  # fmt: skip
    """One head of a block of tokens; both halves of it are turned against each other."""
    n_b, j = (block * B + tl.arange(0, B))[:, None], tl.arange(0, HALF)[None, :]
    inside = (n_b < tokens) & (j < HALF)
    low = (n_b * HEADS + head) * (2 * HALF) + j
    high = low + HALF
    first = tl.load(x + low, mask=inside, other=0.0).to(tl.float32)
    second = tl.load(x + high, mask=inside, other=0.0).to(tl.float32)
    if CLAMP and not BACK:  # comparisons, so that a NaN stays one
        first = tl.where(first > bound, bound, tl.where(first < -bound, -bound, first))
        second = tl.where(second > bound, bound, tl.where(second < -bound, -bound, second))
    if TURN:
        c = tl.load(cos + n_b * (2 * HALF) + j, mask=inside, other=0.0).to(tl.float32)
        s = tl.load(sin + n_b * (2 * HALF) + HALF + j, mask=inside, other=0.0).to(tl.float32)
        if BACK:
            s = -s
        turned = first * c - second * s
        second = second * c + first * s
        first = turned
    if CLAMP and BACK:
        raw_first = tl.load(raw + low, mask=inside, other=0.0).to(tl.float32)
        raw_second = tl.load(raw + high, mask=inside, other=0.0).to(tl.float32)
        first = tl.where((raw_first > -bound) & (raw_first < bound), first, 0.0)
        second = tl.where((raw_second > -bound) & (raw_second < bound), second, 0.0)
    tl.store(out + low, first, mask=inside)
    tl.store(out + high, second, mask=inside)


@triton.jit
def turn_kernel(  # type: ignore[no-untyped-def]
    q, k, v, q_raw, k_raw, v_raw, q_out, k_out, v_out, q_cos, q_sin, k_cos, k_sin, q_tokens, k_tokens, bound,
    Q_HEADS: tl.constexpr, K_HEADS: tl.constexpr, HALF: tl.constexpr, CLAMP: tl.constexpr, BACK: tl.constexpr,
    B: tl.constexpr,
):  # fmt: skip
    """Clamped and turned queries and keys, clamped values; with BACK the gradients of what went in.

    In:  q [N, Q_HEADS, d], k and v [N, K_HEADS, d]; cos and signed sin [N, d]; with BACK and CLAMP what went in.
    Out: as q, k and v. One program takes a head of a block of tokens.
    """
    block, head = tl.program_id(0), tl.program_id(1)
    if head < Q_HEADS:
        turn_one(q, q_raw, q_out, q_cos, q_sin, q_tokens, block, head, bound, Q_HEADS, HALF, CLAMP, BACK, True, B)
    elif head < Q_HEADS + K_HEADS:
        head -= Q_HEADS
        turn_one(k, k_raw, k_out, k_cos, k_sin, k_tokens, block, head, bound, K_HEADS, HALF, CLAMP, BACK, True, B)
    else:
        head -= Q_HEADS + K_HEADS
        turn_one(v, v_raw, v_out, k_cos, k_sin, k_tokens, block, head, bound, K_HEADS, HALF, CLAMP, BACK, False, B)


def turn(heads: Heads, turns: Turns, bound: float | None, raw: Heads | None = None) -> Heads:
    """Run `turn_kernel`; `raw`: what went in, where `heads` are gradients of what came out.

    Values are left as they are where there is no `bound`.
    """
    q, k, v = heads
    results = Heads(torch.empty_like(q), torch.empty_like(k), v if bound is None else torch.empty_like(v))
    planes = q.shape[1] + k.shape[1] + (0 if bound is None else v.shape[1])
    grid = (triton.cdiv(max(len(q), len(k)), TOKENS), planes)
    with torch.cuda.device_of(q):  # triton starts kernels on the current device, wherever the tensors are
        turn_kernel[grid](
            *heads, *(raw or heads), *results, *turns, len(q), len(k), 0.0 if bound is None else bound,
            Q_HEADS=q.shape[1], K_HEADS=k.shape[1], HALF=q.shape[2] // 2,
            CLAMP=bound is not None, BACK=raw is not None, B=TOKENS,
        )  # fmt: skip
    return results


@triton.jit
def silu_gate_kernel(x, gate, out, size, B: tl.constexpr):  # type: ignore[no-untyped-def]
    """`silu(x) * gate`, all of them [size]."""
    at = tl.program_id(0).to(tl.int64) * B + tl.arange(0, B)
    inside = at < size
    x_B = tl.load(x + at, mask=inside, other=0.0).to(tl.float32)
    gate_B = tl.load(gate + at, mask=inside, other=0.0).to(tl.float32)
    tl.store(out + at, x_B * tl.sigmoid(x_B) * gate_B, mask=inside)


@triton.jit
def silu_gate_gradient_kernel(x, gate, grad, dx, dgate, size, B: tl.constexpr):  # type: ignore[no-untyped-def]
    """Gradients of x and gate, from that of `silu(x) * gate`."""
    at = tl.program_id(0).to(tl.int64) * B + tl.arange(0, B)
    inside = at < size
    x_B = tl.load(x + at, mask=inside, other=0.0).to(tl.float32)
    gate_B = tl.load(gate + at, mask=inside, other=0.0).to(tl.float32)
    grad_B = tl.load(grad + at, mask=inside, other=0.0).to(tl.float32)
    s_B = tl.sigmoid(x_B)
    tl.store(dgate + at, grad_B * x_B * s_B, mask=inside)
    tl.store(dx + at, grad_B * gate_B * s_B * (1 + x_B * (1 - s_B)), mask=inside)


def silu_gate(x: Tensor, gate: Tensor) -> Tensor:
    """Run `silu_gate_kernel` on contiguous tensors of one shape."""
    out = torch.empty_like(x)
    with torch.cuda.device_of(x):
        silu_gate_kernel[(triton.cdiv(x.numel(), ELEMENTS),)](x, gate, out, x.numel(), B=ELEMENTS)
    return out


def silu_gate_gradient(x: Tensor, gate: Tensor, grad: Tensor) -> Sequence[Tensor]:
    """Run `silu_gate_gradient_kernel`: the gradients of `x` and of `gate`."""
    dx, dgate = torch.empty_like(x), torch.empty_like(gate)
    grid = (triton.cdiv(x.numel(), ELEMENTS),)
    with torch.cuda.device_of(x):
        silu_gate_gradient_kernel[grid](x, gate, grad, dx, dgate, x.numel(), B=ELEMENTS)
    return dx, dgate
