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
    """`x W' + bias + scaling * dropout(x) A' B'` [N, O] of each layer; `dropped`: of `x`, None without dropout.

    All layers have one `scaling`.
    """
    (scaling,) = {layer.scaling for layer in layers}
    factor = scaling if dropped is None else scaling * dropped.scale
    columns = zip(*(layer[:4] for layer in layers), strict=True)
    return _AdaptedProducts.apply(x_NI, dropped, factor, *(tensor for column in columns for tensor in column))


def merged_product(x: Tensor, layer: AdaptedWeights) -> Tensor:
    """The same of one layer without dropout and without gradients, by one product with `W + scaling B A`."""
    merged_OI = torch.addmm(layer.weight_OI, layer.b_OK, layer.a_KI, alpha=layer.scaling)
    return F.linear(x, merged_OI, layer.bias_O)


class _AdaptedProducts(torch.autograd.Function):
    """Gradients of the input, the adapters and the biases; there is none of the frozen weights."""

    @staticmethod
    def forward(
        ctx: Any, x_NI: Tensor, dropped: Dropped | None, factor: float, *tensors: Any
    ) -> tuple[Tensor, ...]:
        """`tensors`: the weights of all layers, then their biases, A and B."""
        layers = len(tensors) // 4
        weights, biases, downs, ups = (tensors[i : i + layers] for i in range(0, 4 * layers, layers))
        seen_NI = x_NI if dropped is None else dropped.seen_NI
        a_SI = _stacked(downs, x_NI.dtype)
        # Rounded once for both passes: on a GPU a small copy costs as much time as the start of a large product.
        rounded = [b_OK.to(x_NI.dtype) for b_OK in ups]
        inner_NS = _scaled_product(seen_NI, a_SI.T, factor, x_NI.new_empty(len(x_NI), len(a_SI)))
        ranks = [a.shape[0] for a in downs]
        inners = inner_NS.split_with_sizes(ranks, 1)
        outs = [F.linear(x_NI, weight, bias) for weight, bias in zip(weights, biases, strict=True)]
        for out_NO, inner_NK, b_OK in zip(outs, inners, rounded, strict=True):
            out_NO.addmm_(inner_NK, b_OK.T)
        ctx.save_for_backward(seen_NI, inner_NS, a_SI, *weights, *rounded)
        ctx.dropped, ctx.factor = dropped, factor
        ctx.ranks, ctx.dtypes = ranks, (downs[0].dtype, [b.dtype for b in ups])
        return tuple(outs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:
        seen_NI, inner_NS, a_SI, *saved = ctx.saved_tensors
        layers = len(grads)
        weights, ups = saved[:layers], saved[layers:]
        a_dtype, b_dtypes = ctx.dtypes
        grad_NS = torch.empty_like(inner_NS)
        for grad_NK, g, b_OK in zip(grad_NS.split_with_sizes(ctx.ranks, 1), grads, ups, strict=True):
            _scaled_product(g, b_OK, ctx.factor, grad_NK)
        a_grads = _product(grad_NS.T, seen_NI, a_dtype).split_with_sizes(ctx.ranks)
        wanted = ctx.needs_input_grad[3 + layers : 3 + 2 * layers]
        bias_grads = [g.sum(0) if want else None for g, want in zip(grads, wanted, strict=True)]
        inners = inner_NS.split_with_sizes(ctx.ranks, 1)
        b_grads = [_product(g.T, *rest) for g, *rest in zip(grads, inners, b_dtypes, strict=True)]
        grad_x_NI = _grad_x(ctx.dropped, grads, weights, grad_NS, a_SI) if ctx.needs_input_grad[0] else None
        return grad_x_NI, None, None, *[None] * layers, *bias_grads, *a_grads, *b_grads


def _scaled_product(left: Tensor, right: Tensor, factor: float, out: Tensor) -> Tensor:
    """`factor * left @ right`, written to `out`."""
    return torch.addmm(out, left, right, beta=0, alpha=factor, out=out)


def _grad_x(
    dropped: Dropped | None,
    grads: Sequence[Tensor],
    weights: Sequence[Tensor],
    grad_NS: Tensor,
    a_SI: Tensor,
) -> Tensor:
    """Gradient of the input [N, I]: all layers' products are added up in place."""
    grad_x_NI = grads[0] @ weights[0]
    for grad_NO, weight_OI in zip(grads[1:], weights[1:], strict=True):
        grad_x_NI.addmm_(grad_NO, weight_OI)
    if dropped is None:
        return grad_x_NI.addmm_(grad_NS, a_SI)
    return grad_x_NI.addcmul_(grad_NS @ a_SI, dropped.kept_NI(grad_x_NI.dtype))


def _stacked(tensors: Sequence[Tensor], dtype: torch.dtype) -> Tensor:
    """One tensor of all in that dtype, without a copy where there is but one of it."""
    if len(tensors) == 1:
        return tensors[0].to(dtype)
    rows = sum(tensor.shape[0] for tensor in tensors)
    return torch.cat(list(tensors), out=tensors[0].new_empty(rows, tensors[0].shape[1], dtype=dtype))


def _product(left: Tensor, right: Tensor, dtype: torch.dtype) -> Tensor:
    """`left @ right` in `dtype`: on a GPU half-precision operands are not rounded once more on the way to it."""
    if left.is_cuda and left.dtype != dtype:
        return torch.mm(left, right, out_dtype=dtype)
    return (left @ right).to(dtype)
