"""ESM-2's layers on packed tokens: transformers' modules, called without padding and in fewer operations.

transformers computes every row at the width of the longest, rotates queries and keys in nine passes over memory and
writes the activation out in seven. Here rows stand end to end, layers that read one tensor compute together, and
rotation and activation are one operation each. The numbers are the same but for rounding, which `agrees` asks a
model itself when it is loaded.

Shape legend: M rows, T padded tokens of a row, N tokens that layers compute, D width, h heads, d head width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from e1bind_backbones.packed.attention import Attend, attend_jobs, attend_padded
from e1bind_backbones.packed.dtypes import compute_dtype
from e1bind_backbones.packed.layout import RowLayout
from e1bind_backbones.packed.projections import project
from e1bind_backbones.packed.rope import Rotation, rotation, turned_heads
from e1bind_backbones.packed.varlen import takes_varlen

THETA = 10_000.0
"""Base of ESM-2's rotation, where a configuration states none."""


def understands(config: Any) -> bool:
    """Whether a configuration is of a model as ESM-2 is: an ESM encoder with rotation and without dropout."""
    if config.model_type != "esm" or config.position_embedding_type != "rotary":
        return False
    if config.is_decoder or config.is_folding_model:
        return False
    return not (config.hidden_dropout_prob or config.attention_probs_dropout_prob)


@dataclass(frozen=True)
class _Rows:
    """How the tokens that layers compute are taken from rows and put back, and how they attend.

    `column_N`: where each stands in its row.
    """

    pack: Callable[[Tensor], Tensor]
    unpack: Callable[[Tensor], Tensor]
    attend: Attend
    column_N: Tensor

    @classmethod
    def real(cls, layout: RowLayout) -> _Rows:
        """The real tokens alone."""
        column_MT = _columns(layout.rows, layout.width, layout.cu_seqlens.device)
        attend = attend_jobs(layout.within_jobs, fast=column_MT.is_cuda)
        return cls(layout.pack, layout.unpack, attend, layout.pack(column_MT))

    @classmethod
    def padded(cls, mask_MT: Tensor) -> _Rows:
        """Padding too: where no kernel takes rows of unlike length, many small calls cost more than padding."""
        rows, width = mask_MT.shape
        return cls(
            lambda x_MTD: x_MTD.flatten(0, 1),
            lambda x_ND: x_ND.unflatten(0, (rows, width)),
            attend_padded(mask_MT.bool()),
            _columns(rows, width, mask_MT.device).flatten(),
        )


def _columns(rows: int, width: int, device: torch.device) -> Tensor:
    """The place of every token in its row, [M, T]."""
    return torch.arange(width, device=device).repeat(rows, 1)


def hidden_states(
    encoder: nn.Module, input_ids: Tensor, attention_mask: Tensor, layout: RowLayout, checkpointing: bool = False
) -> Tensor:
    """Final hidden states [M, T, D] of transformers' `EsmModel`; at padding they are of no meaning.

    `checkpointing`: keep nothing of a layer but what went in.
    """
    x_MTD = encoder.embeddings(input_ids=input_ids, attention_mask=attention_mask)  # type: ignore[operator]
    config: Any = encoder.config
    head_dim = config.hidden_size // config.num_attention_heads
    dtype = compute_dtype(x_MTD.device, x_MTD.dtype)
    packs = not x_MTD.is_cuda or takes_varlen(x_MTD.to(dtype).unflatten(-1, (-1, head_dim)))
    rows = _Rows.real(layout) if packs else _Rows.padded(attention_mask)
    theta = getattr(config, "rope_theta", None) or THETA
    turn = rotation(rows.column_N, head_dim, theta, dtype)
    x_ND = rows.pack(x_MTD)
    for layer in encoder.encoder.layer:  # type: ignore[union-attr]
        if checkpointing and torch.is_grad_enabled():
            x_ND = checkpoint(_layer, layer, x_ND, turn, rows.attend, use_reentrant=False)
        else:
            x_ND = _layer(layer, x_ND, turn, rows.attend)
    return rows.unpack(encoder.encoder.emb_layer_norm_after(x_ND))  # type: ignore[operator, union-attr]


def _layer(layer: Any, x_ND: Tensor, turn: Rotation, attend: Attend) -> Tensor:
    """One pre-norm layer."""
    attention, own = layer.attention, layer.attention.self
    heads = own.num_attention_heads
    found = project((own.query, own.key, own.value), attention.LayerNorm(x_ND))
    q, k, v = (y_ND.unflatten(-1, (heads, -1)) for y_ND in found)
    q, k, v = turned_heads(q, k, v, (turn, turn), None)
    h_ND = x_ND + attention.output.dense(attend(q, k, v).flatten(1))
    inner = F.gelu(layer.intermediate.dense(layer.LayerNorm(h_ND)))
    return h_ND + layer.output.dense(inner)


@torch.no_grad()
def agrees(encoder: nn.Module, tolerance: float) -> bool:
    """Whether `hidden_states` of two rows, one of them padded, are the model's own, as a share of the largest.

    Asked in evaluation mode: what a model does in training alone is told by its configuration (`understands`).
    """
    config: Any = encoder.config
    ids = torch.arange(24).reshape(2, 12) % config.vocab_size
    mask = torch.ones_like(ids)
    mask[0, 8:] = 0
    ids = ids.masked_fill(mask == 0, config.pad_token_id or 0)
    training = encoder.training
    encoder.eval()
    own = encoder(input_ids=ids, attention_mask=mask).last_hidden_state
    layout = RowLayout.build(mask - 1)
    ours = hidden_states(encoder, ids, mask, layout)
    encoder.train(training)
    difference = (layout.pack(own) - layout.pack(ours)).abs().max()
    return bool(difference <= tolerance * own.abs().max())
