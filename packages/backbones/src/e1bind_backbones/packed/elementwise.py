"""The small operations between the matrix products, in as few passes over memory as torch or a kernel allows.

Shape legend: N tokens, H width.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from e1bind_backbones.packed.kernel_use import has_kernels

CHUNK = 64 * 1024
"""Elements of a piece that stays in a core's cache from one pass to the next."""


def silu_gate(x_NH: Tensor, gate_NH: Tensor) -> Tensor:
    """`silu(x) * gate`; on a CPU piece by piece, so that nothing in between goes out to memory or is kept.

    On a GPU by a kernel.
    """
    if x_NH.is_contiguous() and gate_NH.is_contiguous():
        if x_NH.device.type == "cpu":
            return _SiluGate.apply(x_NH, gate_NH)
        if has_kernels(x_NH):
            return _SiluGateKernel.apply(x_NH, gate_NH)
    return F.silu(x_NH) * gate_NH


class _SiluGate(torch.autograd.Function):
    """With y = silu(x) and g the gradient: dgate = g y, dx = g gate silu'(x)."""

    @staticmethod
    def forward(ctx: Any, x_NH: Tensor, gate_NH: Tensor) -> Tensor:
        ctx.save_for_backward(x_NH, gate_NH)
        out_NH = torch.empty_like(x_NH)
        for x, gate, out in _pieces(x_NH, gate_NH, out_NH):
            torch.ops.aten.silu.out(x, out=out).mul_(gate)
        return out_NH

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_NH: Tensor) -> tuple[Tensor, Tensor]:
        x_NH, gate_NH = ctx.saved_tensors
        dx_NH, dgate_NH = torch.empty_like(x_NH), torch.empty_like(gate_NH)
        for x, gate, grad, dx, dgate in _pieces(x_NH, gate_NH, grad_NH.contiguous(), dx_NH, dgate_NH):
            torch.ops.aten.silu.out(x, out=dgate).mul_(grad)
            torch.ops.aten.silu_backward.grad_input(grad * gate, x, grad_input=dx)
        return dx_NH, dgate_NH


class _SiluGateKernel(torch.autograd.Function):
    """The same by kernels."""

    @staticmethod
    def forward(ctx: Any, x_NH: Tensor, gate_NH: Tensor) -> Tensor:
        from e1bind_backbones.packed import gpu_kernels  # triton is not everywhere

        ctx.save_for_backward(x_NH, gate_NH)
        return gpu_kernels.silu_gate(x_NH, gate_NH)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_NH: Tensor) -> tuple[Tensor, ...]:
        from e1bind_backbones.packed import gpu_kernels

        x_NH, gate_NH = ctx.saved_tensors
        return tuple(gpu_kernels.silu_gate_gradient(x_NH, gate_NH, grad_NH.contiguous()))


def _pieces(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """The same `CHUNK` elements of each of some contiguous tensors of one shape, then the next."""
    if tensors[0].numel() <= CHUNK:
        return iter((tensors,))
    return zip(*(tensor.view(-1).split(CHUNK) for tensor in tensors), strict=True)


def clamp(x: Tensor, bound: float) -> Tensor:
    """`x.clamp(-bound, bound)`, gradient 0 at the bounds; one pass backward instead of five."""
    return F.hardtanh(x, -bound, bound)


def rms_norm(x_NH: Tensor, weight_H: Tensor, eps: float) -> Tensor:
    """`weight * x / sqrt(mean(x^2) + eps)` in `x`'s dtype, whatever `weight`'s is."""
    if x_NH.device.type == "cpu" and x_NH.dtype == weight_H.dtype in (torch.float32, torch.float64):
        return _RMSNorm.apply(x_NH, weight_H, eps)
    wide_NH = x_NH.to(weight_H.dtype)  # torch's own is fused on a GPU
    return F.rms_norm(wide_NH, weight_H.shape, weight_H, eps).to(x_NH.dtype)


class _RMSNorm(torch.autograd.Function):
    """With u = x / rms and g the gradient: dx = (g w - u mean(g w u)) / rms, dw = sum over tokens of g u."""

    @staticmethod
    def forward(ctx: Any, x_NH: Tensor, weight_H: Tensor, eps: float) -> Tensor:
        norm_N1 = torch.linalg.vector_norm(x_NH, dim=-1, keepdim=True)
        inverse_N1 = (norm_N1 * norm_N1 / x_NH.shape[-1] + eps).rsqrt()
        ctx.save_for_backward(x_NH, weight_H, inverse_N1)
        return (x_NH * inverse_N1).mul_(weight_H)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor | None, None]:
        x_NH, weight_H, inverse_N1 = ctx.saved_tensors
        unit_NH = x_NH * inverse_N1
        product_NH = gradients[0] * unit_NH
        mean_N1 = (product_NH @ weight_H).unsqueeze(-1) / x_NH.shape[-1]
        dx_NH = (gradients[0] * weight_H).addcmul_(unit_NH, mean_N1, value=-1).mul_(inverse_N1)
        dweight_H = product_NH.flatten(0, -2).sum(0) if ctx.needs_input_grad[1] else None
        return dx_NH, dweight_H, None
