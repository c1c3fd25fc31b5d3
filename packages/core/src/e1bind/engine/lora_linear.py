"""Linear layers with LoRA as one operation: the frozen and the adapted product, and the gradients of both.

peft adds an adapter's product to a frozen layer's by operations of their own. Each adapted layer then goes over its
output twice more, and beside half-precision weights it copies its input to fp32, keeps the copy for the backward
pass and multiplies it without the fast units. Here the adapter's thin products are added in place, in the dtype of
the frozen weights, and the input is kept once. Dropout takes 16 random bits an element, a quarter of the time of a
draw of its own, and layers that read the same tensor, as queries, keys and values do, see the same elements of it.

Parameters, their fp32, names and files are peft's; so is the layer's forward wherever more than plain LoRA is asked
for. peft's layer is the twin that tests compare with.

Shape legend: N tokens, I inputs, O outputs, K rank.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from peft.tuners.lora.layer import Linear as PeftLinear
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

LEVELS = 2**16
"""Values of 16 random bits: the share of dropout is rounded to a multiple of 1 / LEVELS."""


class LoraLinear(PeftLinear):
    """peft's LoRA layer with one operation for the frozen and the adapted product."""

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """`x W' + bias + scaling * dropout(x) A' B'`, [..., O] for an input [..., I]."""
        if args or kwargs or not self._is_plain(x):
            return super().forward(x, *args, **kwargs)
        name = self.active_adapters[0]
        base, dropout = self.base_layer, self.lora_dropout[name]
        dropped = Dropped.of(x, dropout.p) if self.training and isinstance(dropout, nn.Dropout) else None
        adapter = (self.lora_A[name].weight, self.lora_B[name].weight)
        flat_NI = x.reshape(-1, x.shape[-1])
        out_NO = _AdaptedLinear.apply(flat_NI, base.weight, base.bias, *adapter, self.scaling[name], dropped)
        return out_NO.view(*x.shape[:-1], out_NO.shape[-1])

    def _is_plain(self, x: Tensor) -> bool:
        """Whether one adapter without variants is active, nothing is merged, and nobody else chooses dtypes."""
        if self.disable_adapters or self.merged or len(self.active_adapters) != 1:
            return False
        name = self.active_adapters[0]
        if name not in self.lora_A or name in self.lora_variant or self.lora_B[name].bias is not None:
            return False
        weight = self.base_layer.weight
        return x.dtype == weight.dtype and not weight.requires_grad and not torch.is_autocast_enabled(x.device.type)


def use_one_operation(network: nn.Module) -> None:
    """Let peft's plain LoRA layers on linear ones compute as `LoraLinear`; their parameters stay what they are."""
    for module in network.modules():
        if type(module) is PeftLinear and type(module.base_layer) is nn.Linear and not module.fan_in_fan_out:
            module.__class__ = LoraLinear


@dataclass(frozen=True, eq=False)
class Dropped:
    """An input without the elements that dropout takes; not yet scaled up by `scale`.

    `seen_NI`: 0 where an element is dropped. `bits_NI`: int16, an element stays where they are `lowest` or more.
    """

    seen_NI: Tensor
    bits_NI: Tensor
    lowest: int
    version: int

    @classmethod
    def of(cls, x: Tensor, share: float) -> Dropped | None:
        """What `x` is without about `share` of its elements; the same for every layer that reads this tensor.

        A tensor that is no step of a computation may be read again in the next one, and is drawn for every time.
        """
        lowest = round(share * LEVELS) - LEVELS // 2
        if lowest == -LEVELS // 2:
            return None
        if x.is_leaf:
            return cls._draw(x, lowest)
        found = getattr(x, "_dropped", None)
        if found is None or (found.lowest, found.version) != (lowest, x._version):
            found = cls._draw(x, lowest)
            x._dropped = found  # type: ignore[attr-defined]
        return found

    @classmethod
    @torch.no_grad()
    def _draw(cls, x: Tensor, lowest: int) -> Dropped:
        flat_NI = x.reshape(-1, x.shape[-1])
        words = torch.empty(-(-flat_NI.numel() // 4), dtype=torch.int64, device=x.device)
        words.random_(-(2**63), None)
        bits_NI = words.view(torch.int16)[: flat_NI.numel()].view(flat_NI.shape)
        seen_NI = torch.ge(bits_NI, lowest, out=torch.empty_like(flat_NI)).mul_(flat_NI)
        return cls(seen_NI, bits_NI, lowest, x._version)

    @property
    def scale(self) -> float:
        """One over the share that stays."""
        return LEVELS / (LEVELS // 2 - self.lowest)

    def kept_NI(self, dtype: torch.dtype) -> Tensor:
        """1 where an element stays, 0 where not."""
        return torch.ge(self.bits_NI, self.lowest, out=torch.empty_like(self.bits_NI, dtype=dtype))


class _AdaptedLinear(torch.autograd.Function):
    """Gradients of the input, the adapter and the bias; there is none of the frozen weight."""

    @staticmethod
    def forward(
        ctx: Any,
        x_NI: Tensor,
        weight_OI: Tensor,
        bias_O: Tensor | None,
        a_KI: Tensor,
        b_OK: Tensor,
        scaling: float,
        dropped: Dropped | None,
    ) -> Tensor:
        ctx.factor = scaling if dropped is None else scaling * dropped.scale
        seen_NI = x_NI if dropped is None else dropped.seen_NI
        inner_NK = seen_NI @ a_KI.to(x_NI.dtype).T
        out_NO = F.linear(x_NI, weight_OI, bias_O)
        out_NO.addmm_(inner_NK, b_OK.to(x_NI.dtype).T, alpha=ctx.factor)
        ctx.save_for_backward(seen_NI, weight_OI, a_KI, b_OK, inner_NK)
        ctx.dropped = dropped
        return out_NO

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_NO: Tensor) -> tuple[Tensor | None, ...]:
        seen_NI, weight_OI, a_KI, b_OK, inner_NK = ctx.saved_tensors
        grad_NK = grad_NO @ (b_OK * ctx.factor).to(grad_NO.dtype)
        grad_a_KI = _product(grad_NK.T, seen_NI, a_KI.dtype)
        grad_b_OK = _product(grad_NO.T, inner_NK, b_OK.dtype).mul_(ctx.factor)
        grad_x_NI = None
        if ctx.needs_input_grad[0]:
            grad_x_NI = grad_NO @ weight_OI
            a = a_KI.to(grad_NO.dtype)
            if ctx.dropped is None:
                grad_x_NI.addmm_(grad_NK, a)
            else:
                grad_x_NI.addcmul_(grad_NK @ a, ctx.dropped.kept_NI(a.dtype))
        grad_bias_O = grad_NO.sum(0) if ctx.needs_input_grad[2] else None
        return grad_x_NI, None, grad_bias_O, grad_a_KI, grad_b_OK, None, None


def _product(left: Tensor, right: Tensor, dtype: torch.dtype) -> Tensor:
    """`left @ right` in `dtype`: on a GPU half-precision operands are not rounded once more on the way to it."""
    if left.is_cuda and left.dtype != dtype:
        return torch.mm(left, right, out_dtype=dtype)
    return (left @ right).to(dtype)
