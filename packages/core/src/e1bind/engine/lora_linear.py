"""Linear layers with LoRA as one operation: the frozen and the adapted product, and the gradients of both.

peft adds an adapter's product to a frozen layer's by operations of their own. Each adapted layer then goes over its
output twice more, and beside half-precision weights it copies its input to fp32, keeps the copy for the backward
pass and multiplies it without the fast units. Here the adapter's thin products are added in place, in the dtype of
the frozen weights, and the input is kept once. Layers that read the same tensor, as queries, keys and values do,
see the same elements of it under dropout, and compute together where a backbone asks them to. Without gradients,
beside weights in full precision, the adapter is added to the weights and not to the output.

Parameters, their fp32, names and files are peft's; so is the layer's forward wherever more than plain LoRA is asked
for. peft's layer is the twin that tests compare with.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from peft.tuners.lora.layer import Linear as PeftLinear
from torch import Tensor, nn

from e1bind.engine.lora_dropout import Dropped
from e1bind.engine.lora_product import AdaptedWeights, adapted_products, merged_product


class LoraLinear(PeftLinear):
    """peft's LoRA layer with one operation for the frozen and the adapted product."""

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """`x W' + bias + scaling * dropout(x) A' B'`, [..., O] for an input [..., I]."""
        if args or kwargs or not self._is_plain(x):
            return super().forward(x, *args, **kwargs)
        return merged_product(x, self._weights) if self._merges(x) else _products([self], x)[0]

    @staticmethod
    def together(layers: Sequence[nn.Module], x: Tensor) -> Sequence[Tensor] | None:
        """The outputs of layers that all read `x`; None where one of them has to be called by itself."""
        plain = [layer for layer in layers if isinstance(layer, LoraLinear) and layer._is_plain(x)]
        if len(plain) < len(layers) or any(map(_is_watched, plain)):
            return None
        if len({(layer._dropout, layer._scaling) for layer in plain}) > 1:
            return None
        return None if any(layer._merges(x) for layer in plain) else _products(plain, x)

    @property
    def _dropout(self) -> float:
        dropout = self.lora_dropout[self.active_adapters[0]]
        return dropout.p if self.training and isinstance(dropout, nn.Dropout) else 0.0

    @property
    def _scaling(self) -> float:
        return self.scaling[self.active_adapters[0]]

    @property
    def _weights(self) -> AdaptedWeights:
        name, base = self.active_adapters[0], self.base_layer
        a_KI, b_OK = self.lora_A[name].weight, self.lora_B[name].weight
        return AdaptedWeights(base.weight, base.bias, a_KI, b_OK, self._scaling)

    def _is_plain(self, x: Tensor) -> bool:
        """Whether one adapter without variants is active, nothing is merged, and nobody else chooses dtypes."""
        if self.disable_adapters or self.merged or len(self.active_adapters) != 1:
            return False
        name = self.active_adapters[0]
        if name not in self.lora_A or name in self.lora_variant or self.lora_B[name].bias is not None:
            return False
        weight = self.base_layer.weight
        return x.dtype == weight.dtype and not weight.requires_grad and not torch.is_autocast_enabled(x.device.type)

    def _merges(self, x: Tensor) -> bool:
        """Whether weights with the adapter in them are right and cheap.

        Not beside half precision, in which they would be rounded to what they were; nor for so few tokens that
        making them takes longer than the adapter's own products.
        """
        if torch.is_grad_enabled() or self._dropout or x.dtype != self.lora_A[self.active_adapters[0]].weight.dtype:
            return False
        outputs, inputs = self.base_layer.weight.shape
        return x.numel() // inputs * (inputs + outputs) > inputs * outputs


def _products(layers: Sequence[LoraLinear], x: Tensor) -> list[Tensor]:
    dropped = Dropped.of(x, layers[0]._dropout)
    flat_NI = x.reshape(-1, x.shape[-1])
    outs = adapted_products(flat_NI, [layer._weights for layer in layers], dropped)
    return [out_NO.view(*x.shape[:-1], out_NO.shape[-1]) for out_NO in outs]


def _is_watched(module: nn.Module) -> bool:
    """Whether somebody has to be told of a call of this very module."""
    return bool(module._forward_hooks or module._forward_pre_hooks or module._backward_hooks)


def use_one_operation(network: nn.Module) -> None:
    """Let peft's plain LoRA layers on linear ones compute as `LoraLinear`; their parameters stay what they are."""
    for module in network.modules():
        if type(module) is PeftLinear and type(module.base_layer) is nn.Linear and not module.fan_in_fan_out:
            module.__class__ = LoraLinear
