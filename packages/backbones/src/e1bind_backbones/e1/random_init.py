"""Untrained E1 models for tests and benchmarks, the same for the same seed."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from e1bind_backbones.e1.config import E1Config
from e1bind_backbones.e1.model import E1ForMaskedLM

_PUBLISHED: dict[str, Any] = {
    "vocab_size": 34,
    "gated_mlp": True,
    "clip_qkv": 8,
    "global_attention_every_n_layers": 3,
    "max_num_positions_global": 65536,
    "rope_theta_global": 500000.0,
}
_SIZES = {  # hidden size, layers, heads
    "tiny": (64, 4, 4),
    "150m": (768, 20, 12),
    "300m": (1024, 20, 16),
    "600m": (1280, 30, 20),
}
BRANCH_GAIN = 0.7
"""Output scale of a random linear layer for input of unit scale; below 1, layers refine rather than overwrite."""


def random_config(size: str) -> E1Config:
    """The shape of a published model, or a tiny one of 4 layers and width 64."""
    hidden, layers, heads = _SIZES[size]
    return E1Config(
        hidden_size=hidden,
        intermediate_size=3 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        **_PUBLISHED,
    )


def random_model(config: E1Config, seed: int) -> E1ForMaskedLM:
    """An untrained fp32 model in which the residue at hand dominates its final state.

    E1's training initialisation (standard deviation 0.02 everywhere) leaves sequence-index and token embeddings at
    one scale and the layers almost silent. Here tokens have unit scale, sequence indices a tenth of it, and linear
    layers a standard deviation of `BRANCH_GAIN` / sqrt(inputs), so that adapters on them have something to change.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = E1ForMaskedLM(config)
        with torch.no_grad():
            for module in model.modules():
                if isinstance(module, nn.Linear):
                    module.weight.normal_(0.0, BRANCH_GAIN / module.in_features**0.5)
            model.model.embed_tokens.weight.normal_(0.0, 1.0)
            model.model.embed_tokens.weight[config.pad_token_id].zero_()
            model.model.embed_seq_id.weight.normal_(0.0, 0.1)
    return model.eval()
