"""The frozen and the adapted products of layers that read one tensor, and the gradients of both, as one operation.

Shape legend: N tokens, I inputs, O outputs of a layer, K its rank; S the sum of all layers' ranks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from e1bind.engine.lora_dropout import Dropped


class AdaptedWeights(NamedTuple):
    """A frozen layer's weight [O, I] and bias [O], its adapter's A [K, I] and B [O, K], and the adapter's scale."""

    weight_OI: Tensor
    bias_O: Tensor | None
    a_KI: Tensor
    b_OK: Tensor
    scaling: float


def adapted_products(x_NI: Tensor, layers: Sequence[AdaptedWeights], dropped: Dropped | None) -> Sequence[Tensor]:
    """`x W' + bias + scaling * dropout(x) A' B'` [N, O] of each layer; `dropped`: of `x`, None without dropout."""
    scalings = tuple(layer.scaling for layer in layers)
    columns = zip(*(layer[:4] for layer in layers), strict=True)
    return _AdaptedProducts.apply(x_NI, dropped, scalings, *(tensor for column in columns for tensor in column))


def merged_product(x: Tensor, layer: AdaptedWeights) -> Tensor:
    """The same of one layer without dropout and without gradients, by one product with `W + scaling B A`."""
    merged_OI = torch.addmm(layer.weight_OI, layer.b_OK, layer.a_KI, alpha=layer.scaling)
    return F.linear(x, merged_OI, layer.bias_O)


class _AdaptedProducts(torch.autograd.Function):
    """Gradients of the input, the adapters and the biases; there is none of the frozen weights."""

    @staticmethod
    def forward(
        ctx: Any, x_NI: Tensor, dropped: Dropped | None, scalings: tuple[float, ...], *tensors: Any
    ) -> tuple[Tensor, ...]:
        """`tensors`: the weights of all layers, then their biases, A and B."""
        layers = len(scalings)
        weights, biases, downs, ups = (tensors[i : i + layers] for i in range(0, 4 * layers, layers))
        ctx.factors = [s if dropped is None else s * dropped.scale for s in scalings]
        seen_NI = x_NI if dropped is None else dropped.seen_NI
        a_SI = _stacked(downs, x_NI.dtype)
        inner_NS = seen_NI @ a_SI.T
        inners = inner_NS.split([a.shape[0] for a in downs], dim=1)
        outs = [F.linear(x_NI, weight, bias) for weight, bias in zip(weights, biases, strict=True)]
        for out_NO, inner_NK, b_OK, factor in zip(outs, inners, ups, ctx.factors, strict=True):
            out_NO.addmm_(inner_NK, b_OK.to(x_NI.dtype).T, alpha=factor)
        ctx.save_for_backward(seen_NI, inner_NS, *weights, *downs, *ups)
        ctx.dropped = dropped
        return tuple(outs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:
        seen_NI, inner_NS, *saved = ctx.saved_tensors
        layers = len(grads)
        weights, downs, ups = saved[:layers], saved[layers : 2 * layers], saved[2 * layers :]
        ranks = [a.shape[0] for a in downs]
        grad_NS = _stacked(
            [g @ (b * factor).to(g.dtype) for g, b, factor in zip(grads, ups, ctx.factors, strict=True)], dim=1
        )
        a_grads = _product(grad_NS.T, seen_NI, downs[0].dtype).split(ranks)
        inners = inner_NS.split(ranks, dim=1)
        wanted = ctx.needs_input_grad[3 + layers : 3 + 2 * layers]
        bias_grads = [g.sum(0) if want else None for g, want in zip(grads, wanted, strict=True)]
        b_grads = [
            _product(g.T, inner_NK, b_OK.dtype).mul_(factor)
            for g, inner_NK, b_OK, factor in zip(grads, inners, ups, ctx.factors, strict=True)
        ]
        grad_x_NI = _grad_x(ctx.dropped, grads, weights, grad_NS, downs) if ctx.needs_input_grad[0] else None
        return grad_x_NI, None, None, *[None] * layers, *bias_grads, *a_grads, *b_grads


def _grad_x(
    dropped: Dropped | None,
    grads: Sequence[Tensor],
    weights: Sequence[Tensor],
    grad_NS: Tensor,
    downs: Sequence[Tensor],
) -> Tensor:
    """Gradient of the input [N, I]: all layers' products are added up in place."""
    grad_x_NI = grads[0] @ weights[0]
    for grad_NO, weight_OI in zip(grads[1:], weights[1:], strict=True):
        grad_x_NI.addmm_(grad_NO, weight_OI)
    a_SI = _stacked(downs, grad_x_NI.dtype)
    if dropped is None:
        return grad_x_NI.addmm_(grad_NS, a_SI)
    return grad_x_NI.addcmul_(grad_NS @ a_SI, dropped.kept_NI(grad_x_NI.dtype))


def _stacked(tensors: Sequence[Tensor], dtype: torch.dtype | None = None, dim: int = 0) -> Tensor:
    """One tensor of all, without a copy where there is but one of that dtype."""
    joined = tensors[0] if len(tensors) == 1 else torch.cat(list(tensors), dim)
    return joined if dtype is None else joined.to(dtype)


def _product(left: Tensor, right: Tensor, dtype: torch.dtype) -> Tensor:
    """`left @ right` in `dtype`: on a GPU half-precision operands are not rounded once more on the way to it."""
    if left.is_cuda and left.dtype != dtype:
        return torch.mm(left, right, out_dtype=dtype)
    return (left @ right).to(dtype)
