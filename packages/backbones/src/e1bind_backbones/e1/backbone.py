"""E1 as a backbone of a run.

Shape legend: M rows, T padded tokens of a row, K masked (residue, view) pairs, D embedding width, C vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from e1bind.contracts import TokenBatch
from e1bind.errors import UserError
from e1bind_backbones.e1.config import E1Config
from e1bind_backbones.e1.encoder import E1ViewEncoder
from e1bind_backbones.e1.model import E1ForMaskedLM
from e1bind_backbones.e1.random_init import random_config, random_model
from e1bind_backbones.e1.tokens import MARKERS
from e1bind_backbones.loading import reading_checkpoint, write_model
from e1bind_backbones.options import E1Options
from e1bind_backbones.packed.attention import AttentionChoice
from e1bind_backbones.parts import run_parts

AGREEMENT = (
    "Profluent's weights, and what is derived from them, stand under the \"Profluent-E1 Clickthrough License "
    'Agreement": who passes them on passes on the agreement, marks changes, and keeps its NOTICE text'
)
"""On weights that were given; those of `random_weights` are nobody's."""


class E1Backbone:
    """Published, re-uploaded or random E1 weights in this package's own implementation (`contracts.Backbone`)."""

    supports_context = True
    has_mlm_head = True
    mlm_head_modules = ("mlm_head",)

    def __init__(self, options: E1Options) -> None:
        self.options = options
        self.config = self._read_config()
        self.hidden_size: int = self.config.hidden_size
        self.max_residues: int | None = self.config.max_num_positions_within_seq - MARKERS
        feed_forward = ("w1", "w2", "w3") if self.config.gated_mlp else ("w1", "w2")
        self.lora_targets = ("q_proj", "k_proj", "v_proj", "o_proj", *feed_forward)
        self.description = self._describe()

    def _read_config(self) -> E1Config:
        options = self.options
        if options.checkpoint is None:
            return random_config(options.random_weights or "tiny")
        with reading_checkpoint(options.checkpoint, "backbone.e1.checkpoint"):
            raw, _ = E1Config.get_config_dict(options.checkpoint, **self._hub_arguments())
            kind = raw.get("model_type")
            if kind != E1Config.model_type:
                states = f"has a config.json of model type {kind!r}" if kind else "has no config.json of a model"
                raise UserError(
                    f"backbone.e1.checkpoint: {options.checkpoint} {states}, and E1 wants {E1Config.model_type!r}; "
                    "other masked language models go through [backbone.hf-mlm]"
                )
            return E1Config.from_dict(raw)

    @property
    def licence(self) -> str:
        """What is known of the terms of the weights."""
        return "" if self.options.checkpoint is None else AGREEMENT

    def save_checkpoint(self, model: nn.Module, folder: Path) -> None:
        """Write configuration and weights; `checkpoint = FOLDER` reads them."""
        write_model(plain_model(model), folder)

    @property
    def _attention(self) -> AttentionChoice:
        return AttentionChoice(self.options.attention, self.options.compile_flex_attention)

    def _hub_arguments(self) -> dict[str, str]:
        return {} if self.options.revision is None else {"revision": self.options.revision}

    def _describe(self) -> str:
        c, options = self.config, self.options
        source = options.checkpoint or f"random weights ({options.random_weights}, seed {options.random_seed})"
        shape = f"{c.num_hidden_layers} layers x {c.hidden_size}, {c.num_parameters() / 1e6:.1f}M parameters"
        return f"E1, {source}: {shape}, {options.dtype}"

    def encoder(self) -> E1ViewEncoder:
        """The tokenising half, for data-loader workers."""
        return E1ViewEncoder.of(self.config, self.options.view_execution, self._attention.may_use_flex)

    def load_model(self) -> nn.Module:
        """The plain model with its weights in the wanted dtype. Runs no code of the checkpoint's."""
        options, dtype = self.options, getattr(torch, self.options.dtype)
        if options.checkpoint is None:
            model = random_model(self.config, options.random_seed).to(dtype)
        else:
            with reading_checkpoint(options.checkpoint, "backbone.e1.checkpoint"):
                model = E1ForMaskedLM.from_pretrained(
                    options.checkpoint, config=self.config, dtype=dtype, **self._hub_arguments()
                )
        model.attention = self._attention
        self._set_up(model)
        return model

    def adjusted(self, model: nn.Module, options: E1Options) -> E1Backbone:
        """The same with other ways to run views and to keep activations, for which `model` is set up."""
        other = copy(self)
        other.options = options
        other._set_up(plain_model(model))
        return other

    def _set_up(self, model: E1ForMaskedLM) -> None:
        model.model.gradient_checkpointing = self.options.activation_checkpointing is True

    def hidden(self, model: nn.Module, batch: TokenBatch) -> Tensor:
        """Final hidden states, [M*T, D] fp32; zero at padding, and perhaps at tokens of the context."""

        def run(inputs: Mapping[str, Any]) -> Tensor:
            return model(**inputs, compute_logits=False, last_only=True).last_hidden_state

        hidden_MTD = run_parts(run, batch.inputs)
        return F.dropout(hidden_MTD.flatten(0, 1).float(), self.options.dropout, model.training)

    def mlm_logits(self, model: nn.Module, hidden_KD: Tensor) -> Tensor:
        """The pretrained head's scores [K, C] fp32 for K hidden states."""
        return plain_model(model).mlm_head(hidden_KD)


def plain_model(model: nn.Module) -> E1ForMaskedLM:
    """The E1 model inside wrappers such as PEFT's."""
    for module in model.modules():
        if isinstance(module, E1ForMaskedLM):
            return module
    raise TypeError(f"there is no E1 model inside {type(model).__name__}")
