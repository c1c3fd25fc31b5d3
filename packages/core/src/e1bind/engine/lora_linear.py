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
from typing import Any, NamedTuple

import torch
from peft.tuners.lora.layer import Linear as PeftLinear
from torch import Tensor, nn

from e1bind.engine.lora_dropout import Dropped
from e1bind.engine.lora_product import AdaptedWeights, adapted_products, merged_product


class _Plain(NamedTuple):
    """A layer for which one operation will do: what it multiplies with, and its share of dropout."""

    weights: AdaptedWeights
    dropout: float

    def merges(self, x: Tensor) -> bool:
        """Whether weights with the adapter in them are right and cheap.

        Not beside half precision, in which they would be rounded to what they were; nor for so few tokens that
        making them takes longer than the adapter's own products.
        """
        if torch.is_grad_enabled() or self.dropout or x.dtype != self.weights.a_KI.dtype:
            return False
        outputs, inputs = self.weights.weight_OI.shape
        return x.numel() // inputs * (inputs + outputs) > inputs * outputs


class LoraLinear(PeftLinear):
    """peft's LoRA layer with one operation for the frozen and the adapted product."""

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """`x W' + bias + scaling * dropout(x) A' B'`, [..., O] for an input [..., I]."""
        plain = None if args or kwargs else self._plain(x)
        if plain is None:
            return super().forward(x, *args, **kwargs)
        return merged_product(x, plain.weights) if plain.merges(x) else _products([plain], x)[0]

    @staticmethod
    def together(layers: Sequence[nn.Module], x: Tensor) -> Sequence[Tensor] | None:
        """The outputs of layers that all read `x`; None where one of them has to be called by itself."""
        found: list[_Plain] = []
        for layer in layers:
            plain = layer._plain(x) if isinstance(layer, LoraLinear) and not _is_watched(layer) else None
            if plain is None or plain.merges(x):
                return None
            found.append(plain)
        if len({(plain.dropout, plain.weights.scaling) for plain in found}) > 1:
            return None
        return _products(found, x)

    def _plain(self, x: Tensor) -> _Plain | None:
        """None unless one adapter without variants is active, nothing is merged, and nobody else chooses dtypes."""
        active = self.active_adapters
        if self.disable_adapters or self.merged or len(active) != 1:
            return None
        name, downs, base = active[0], self.lora_A, self.base_layer
        if name not in downs or name in self.lora_variant:
            return None
        up, weight_OI = self.lora_B[name], base.weight
        if up.bias is not None or weight_OI.requires_grad or x.dtype != weight_OI.dtype:
            return None
        if torch.is_autocast_enabled(x.device.type):
            return None
        dropout = self.lora_dropout[name]
        weights = AdaptedWeights(weight_OI, base.bias, downs[name].weight, up.weight, self.scaling[name])
        return _Plain(weights, dropout.p if self.training and isinstance(dropout, nn.Dropout) else 0.0)


def _products(layers: Sequence[_Plain], x: Tensor) -> list[Tensor]:
    dropped = Dropped.of(x, layers[0].dropout)
    flat_NI = x.reshape(-1, x.shape[-1])
    outs = adapted_products(flat_NI, [layer.weights for layer in layers], dropped)
    return [out_NO.view(*x.shape[:-1], out_NO.shape[-1]) for out_NO in outs]


def _is_watched(module: nn.Module) -> bool:
    """Whether somebody has to be told of a call of this very module."""
    return bool(module._forward_hooks or module._forward_pre_hooks or module._backward_hooks)


def use_one_operation(network: nn.Module) -> None:
    """Let peft's plain LoRA layers on linear ones compute as `LoraLinear`; their parameters stay what they are."""
    for module in network.modules():
        if type(module) is PeftLinear and type(module.base_layer) is nn.Linear and not module.fan_in_fan_out:
            module.__class__ = LoraLinear
