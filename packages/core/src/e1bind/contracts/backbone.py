"""Protein language models, and what they read.

Shape legend: B proteins, V views, R residues of all proteins, M rows of T tokens, D width, K masked pairs,
C entries of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from e1bind.contracts.views import View

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from torch import Tensor, nn


@dataclass(frozen=True)
class TokenBatch:
    """Views as a backbone's tokens, and where each residue stands among them.

    `inputs`: what the backbone's model is fed, by argument name; their layout [M, T] is the backbone's own.
    `token_RV` int64 [R, V]: index of residue r in view v among the M*T tokens, `row * T + column`. Residues are
    ordered protein by protein, N- to C-terminus; every view holds every residue, each at a place of its own.
    `visible_RV` bool [R, V]: false where the residue is selected for masked-LM prediction in that view.
    `target_R` int64 [R]: vocabulary index of the true residue.
    `tokens` and `padding` count the real and the padding tokens.
    """

    inputs: Mapping[str, Any]
    token_RV: Tensor
    visible_RV: Tensor
    target_R: Tensor
    tokens: int
    padding: int

    def to(self, device: torch.device) -> TokenBatch:
        """The same batch on `device`."""
        inputs = {k: v.to(device) if hasattr(v, "to") else v for k, v in self.inputs.items()}
        moved = {name: getattr(self, name).to(device) for name in ("token_RV", "visible_RV", "target_R")}
        return replace(self, inputs=inputs, **moved)


class ViewEncoder(Protocol):
    """Turns views into tokens. Picklable and free of weights: it runs in data-loader workers."""

    def encode(self, views: Sequence[Sequence[View]]) -> TokenBatch:
        """Encode B proteins with V views each; `views[b][v]`."""
        ...


@runtime_checkable
class Backbone(Protocol):
    """A protein language model. Built as `target(options)`, which reads configuration but no weights.

    hidden_size      D
    max_residues     longest chain a view may have, or None
    supports_context whether views may carry context sequences
    has_mlm_head     whether `mlm_logits` works
    lora_targets     module names LoRA is put on when the spec names none
    mlm_head_modules module names trained in full with `lora.train_mlm_head`
    description      one line for logs: checkpoint or "random weights", size, dtype
    """

    hidden_size: int
    max_residues: int | None
    supports_context: bool
    has_mlm_head: bool
    lora_targets: Sequence[str]
    mlm_head_modules: Sequence[str]
    description: str

    def encoder(self) -> ViewEncoder:
        """The tokenising half, for data-loader workers."""
        ...

    def load_model(self) -> nn.Module:
        """The plain model with its weights, in the wanted dtype; PEFT wraps what this returns."""
        ...

    def hidden(self, model: nn.Module, batch: TokenBatch) -> Tensor:
        """Final hidden states of all tokens, [M*T, D] fp32, from the (perhaps PEFT-wrapped) `model`."""
        ...

    def mlm_logits(self, model: nn.Module, hidden_KD: Tensor) -> Tensor:
        """The pretrained head's scores [K, C] fp32 for K hidden states as `hidden` returns them."""
        ...


@runtime_checkable
class Adjustable(Protocol):
    """What a backbone may do besides: compute in another way once its model is loaded, the numbers being the same.

    Its options then have `view_execution`, `activation_checkpointing` or both, and e1bind chooses where they are
    "auto": the fastest way for which there is memory. To the backbone "auto" means all views at once, all kept.

    options  the options it computes by
    """

    options: Any

    def adjusted(self, model: nn.Module, options: Any) -> Backbone:
        """The same backbone with other `options` of those names; the `model` it has loaded is set up for them."""
        ...


@runtime_checkable
class CheckpointWriter(Protocol):
    """What a backbone may do besides: write a model of its own as a checkpoint, for `e1bind export`.

    licence  a sentence on the terms of the weights it was given, as far as it knows them; empty where it does not
    """

    licence: str

    def save_checkpoint(self, model: nn.Module, folder: Path) -> None:
        """Write a plain `model` into a `folder` that is there and empty, so that the backbone can be given it."""
        ...
