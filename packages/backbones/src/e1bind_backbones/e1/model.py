"""E1 as a Hugging Face model: a pre-norm encoder whose layers see one sequence, or all earlier ones too.

The layers run on packed tokens (see `layout`); only the results are laid out in rows again.

Shape legend: M rows, T padded tokens of a row, N real tokens, H hidden size, h heads, d head width, F inner width,
C vocabulary.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel
from transformers.activations import ACT2FN
from transformers.utils import ModelOutput

from e1bind_backbones.e1.attention import Attend, Attention, AttentionChoice
from e1bind_backbones.e1.config import E1Config
from e1bind_backbones.e1.elementwise import clamp, rms_norm, silu_gate
from e1bind_backbones.e1.layout import RowLayout
from e1bind_backbones.e1.projections import project
from e1bind_backbones.e1.rope import Rotation, rotate, rotation
from e1bind_backbones.e1.tokens import MARKERS, PAD


@dataclass
class E1MaskedLMOutput(ModelOutput):
    """`last_hidden_state` [M, T, H] after the final norm, `logits` fp32 [M, T, C], `loss` a scalar.

    `hidden_states`: the embeddings, the outputs of all layers but the last, then `last_hidden_state`.
    All are zero at padding; what was not asked for is None.
    """

    loss: Tensor | None = None
    logits: Tensor | None = None
    last_hidden_state: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None


class E1RMSNorm(nn.Module):
    """RMSNorm that returns its input's dtype, also where autocast made that another one than its weight's."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return rms_norm(x, self.weight, self.eps)


class E1Attention(nn.Module):
    """Self-attention with clamped queries, keys and values, RoPE and grouped heads; no bias."""

    def __init__(self, config: E1Config) -> None:
        super().__init__()
        hidden, kv_width = config.hidden_size, config.num_key_value_heads * config.head_dim
        self.head_dim, self.clip = config.head_dim, config.clip_qkv
        self.heads_per_key = config.num_attention_heads // config.num_key_value_heads
        self.q_proj = nn.Linear(hidden, hidden, bias=False)
        self.k_proj = nn.Linear(hidden, kv_width, bias=False)
        self.v_proj = nn.Linear(hidden, kv_width, bias=False)
        self.o_proj = nn.Linear(hidden, hidden, bias=False)

    def forward(self, x_NH: Tensor, turn: Rotation, attend: Attend) -> Tensor:
        q, k, v = project((self.q_proj, self.k_proj, self.v_proj), x_NH)
        dtype = turn[0].dtype  # norms that PEFT raised to fp32 may have raised these too
        q, k, v = (self._clamp(y.to(dtype)).unflatten(-1, (-1, self.head_dim)) for y in (q, k, v))
        q, k = rotate(q, turn), rotate(k, turn)
        if self.heads_per_key > 1:
            k, v = (y.repeat_interleave(self.heads_per_key, dim=1) for y in (k, v))
        return self.o_proj(attend(q, k, v).flatten(1))

    def _clamp(self, y: Tensor) -> Tensor:
        return y if self.clip is None else clamp(y, self.clip)


class E1NormAttention(nn.Module):
    """The attention half of a layer: its norm and attention, and the norm of the half that follows."""

    def __init__(self, config: E1Config) -> None:
        super().__init__()
        self.input_layernorm = E1RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.self_attn = E1Attention(config)
        self.post_attention_layernorm = E1RMSNorm(config.hidden_size, config.rms_norm_eps)

    def forward(self, x_NH: Tensor, turn: Rotation, attend: Attend) -> tuple[Tensor, Tensor]:
        """The residual stream after attention, and the same normed for the feed-forward block."""
        h_NH = x_NH + self.self_attn(self.input_layernorm(x_NH), turn, attend)
        return h_NH, self.post_attention_layernorm(h_NH)


class E1MLP(nn.Module):
    """w2(act(w1 z) * w3 z), or w2(act(w1 z)) where it is not gated."""

    def __init__(self, config: E1Config) -> None:
        super().__init__()
        hidden, inner = config.hidden_size, config.intermediate_size
        self.gated = config.gated_mlp
        self.w1 = nn.Linear(hidden, inner, bias=False)
        self.w2 = nn.Linear(inner, hidden, bias=False)
        if self.gated:
            self.w3 = nn.Linear(hidden, inner, bias=False)
        self.act = ACT2FN[config.hidden_act]
        self.is_silu = config.hidden_act == "silu"

    def forward(self, z_NH: Tensor) -> Tensor:
        if not self.gated:
            return self.w2(self.act(self.w1(z_NH)))
        x_NF, gate_NF = project((self.w1, self.w3), z_NH)
        return self.w2(silu_gate(x_NF, gate_NF) if self.is_silu else self.act(x_NF) * gate_NF)


class E1FeedForward(nn.Module):
    """Holds the feed-forward block under the name the checkpoints give it."""

    def __init__(self, config: E1Config) -> None:
        super().__init__()
        self.mlp = E1MLP(config)

    def forward(self, z_NH: Tensor) -> Tensor:
        return self.mlp(z_NH)


class E1Layer(nn.Module):
    """One pre-norm layer."""

    def __init__(self, config: E1Config) -> None:
        super().__init__()
        self.norm_attn_norm = E1NormAttention(config)
        self.ffn = E1FeedForward(config)

    def forward(self, x_NH: Tensor, turn: Rotation, attend: Attend) -> Tensor:
        h_NH, normed_NH = self.norm_attn_norm(x_NH, turn, attend)
        return h_NH + self.ffn(normed_NH)


class E1Encoder(nn.Module):
    """Embeddings, layers and final norm, on packed tokens."""

    def __init__(self, config: E1Config) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size, padding_idx=PAD)
        self.embed_seq_id = nn.Embedding(config.max_num_sequences, config.hidden_size)
        self.layers = nn.ModuleList(E1Layer(config) for _ in range(config.num_hidden_layers))
        self.norm = E1RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.gradient_checkpointing = config.gradient_checkpointing

    def forward(
        self,
        ids_N: Tensor,
        within_N: Tensor,
        global_N: Tensor,
        sequence_N: Tensor,
        attention: Attention,
        dtype: torch.dtype,
        keep_all: bool,
    ) -> list[Tensor]:
        """The normed final state [N, H]; with `keep_all` after the embeddings and the outputs of all layers but
        the last."""
        config = self.config
        x_NH = (self.embed_tokens(ids_N) + self.embed_seq_id(sequence_N)).to(dtype)
        # Made here and not in __init__: transformers 5 leaves buffers that are not saved as garbage.
        within = rotation(within_N, config.head_dim, config.rope_theta_within_seq, dtype), attention.within
        over_all = within
        if config.has_global_layers:
            turn = rotation(global_N, config.head_dim, config.rope_theta_global, dtype)
            over_all = turn, attention.over_all
        earlier = []
        for i, layer in enumerate(self.layers):
            if keep_all:
                earlier.append(x_NH)
            turn, attend = over_all if config.is_global(i) else within
            x_NH = self._run(layer, x_NH, turn, attend)
        return [*earlier, self.norm(x_NH)]

    def _run(self, layer: nn.Module, x_NH: Tensor, turn: Rotation, attend: Attend) -> Tensor:
        if self.gradient_checkpointing and self.training and torch.is_grad_enabled():
            # Re-entrant checkpointing would give no gradient at all where the embeddings are frozen.
            return checkpoint(layer, x_NH, turn, attend, use_reentrant=False)
        return layer(x_NH, turn, attend)


class E1MLMHead(nn.Sequential):
    """The masked-LM head: fp32 scores of all tokens of the vocabulary."""

    def __init__(self, config: E1Config) -> None:
        hidden = config.hidden_size
        super().__init__(
            nn.Linear(hidden, hidden),
            nn.GELU(),
            nn.LayerNorm(hidden, eps=config.rms_norm_eps),
            nn.Linear(hidden, config.vocab_size),
        )

    def forward(self, y: Tensor) -> Tensor:
        return super().forward(y.to(next(self.parameters()).dtype)).float()


class E1ForMaskedLM(PreTrainedModel):
    """E1 with its masked-LM head. `attention` chooses the attention path and is no part of the checkpoint."""

    config_class = E1Config
    base_model_prefix = "model"
    supports_gradient_checkpointing = True
    _no_split_modules = ("E1Layer",)

    def __init__(self, config: E1Config) -> None:
        super().__init__(config)
        self.model = E1Encoder(config)
        self.mlm_head = E1MLMHead(config)
        self.attention = AttentionChoice()
        self.post_init()

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | os.PathLike, *args: Any, **kwargs: Any) -> Any:
        """As Hugging Face's, but a checkpoint with missing or unexpected parameters is an error (ValueError)."""
        wants_info = kwargs.pop("output_loading_info", False)
        model, info = super().from_pretrained(
            pretrained_model_name_or_path, *args, output_loading_info=True, **kwargs
        )
        for kind in ("missing", "unexpected"):
            if names := sorted(info[f"{kind}_keys"]):
                shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
                raise ValueError(
                    f"{pretrained_model_name_or_path} is not an E1 checkpoint of the shape its config.json states: "
                    f"{len(names)} {kind} parameters ({shown})"
                )
        return (model, info) if wants_info else model

    def get_input_embeddings(self) -> nn.Module:
        return self.model.embed_tokens

    def set_input_embeddings(self, value: nn.Embedding) -> None:
        self.model.embed_tokens = value

    def get_output_embeddings(self) -> None:
        """None: the head is never tied to the token embedding."""
        return None

    def forward(
        self,
        input_ids: Tensor,
        within_seq_position_ids: Tensor,
        global_position_ids: Tensor,
        sequence_ids: Tensor,
        labels: Tensor | None = None,
        *,
        view_ids: Tensor | None = None,
        layout: RowLayout | None = None,
        compute_logits: bool = True,
        output_hidden_states: bool = False,
        return_dict: bool = True,
    ) -> E1MaskedLMOutput | tuple[Any, ...]:
        """Score every token.

        `input_ids`, `within_seq_position_ids`, `global_position_ids`, `sequence_ids`: int64 [M, T], see `tokens`;
        padding is 0 in `input_ids` and -1 elsewhere. `labels` [M, T]: 0 and -100 are ignored; the loss is the mean
        cross-entropy of the rest at their own positions, 0 where there is none.
        `view_ids` [M, T]: several views of the query in one row (see `layout`). `layout`: made once per batch by
        the caller; without it, it is made here from `sequence_ids`, which a GPU has to wait for.
        `compute_logits=False` leaves the logits out; a loss then costs the head at labelled positions only.
        Raises ValueError on sequences out of order, or beyond what the model has positions for.
        """
        if layout is None:
            self._check_limits(within_seq_position_ids, sequence_ids)
            layout = RowLayout.build(sequence_ids, view_ids).to(input_ids.device)
        dtype = compute_dtype(input_ids.device, self.model.embed_tokens.weight.dtype)
        attention = Attention.prepare(self.attention, layout, sequence_ids, view_ids)
        ids = (input_ids, within_seq_position_ids, global_position_ids, sequence_ids)
        states = self.model(*(layout.pack(x) for x in ids), attention, dtype, output_hidden_states)
        loss, logits_NC = self._head(states[-1], None if labels is None else layout.pack(labels), compute_logits)
        output = E1MaskedLMOutput(
            loss=loss,
            logits=None if logits_NC is None else layout.unpack(logits_NC),
            last_hidden_state=layout.unpack(states[-1]),
            hidden_states=tuple(map(layout.unpack, states)) if output_hidden_states else None,
        )
        return output if return_dict else output.to_tuple()

    def _head(
        self, y_NH: Tensor, labels_N: Tensor | None, compute_logits: bool
    ) -> tuple[Tensor | None, Tensor | None]:
        logits_NC = self.mlm_head(y_NH) if compute_logits else None
        if labels_N is None:
            return None, logits_NC
        if logits_NC is not None:
            return masked_lm_loss(logits_NC, labels_N), logits_NC
        labelled = ((labels_N != PAD) & (labels_N != -100)).nonzero().squeeze(1)
        return masked_lm_loss(self.mlm_head(y_NH[labelled]), labels_N[labelled]), None

    def _check_limits(self, within_MT: Tensor, sequence_MT: Tensor) -> None:
        longest, most = self.config.max_num_positions_within_seq, self.config.max_num_sequences
        if not -1 <= int(within_MT.min()) <= int(within_MT.max()) < longest:
            raise ValueError(
                f"within-sequence positions must lie in [-1, {longest}): a sequence may have {longest - MARKERS} "
                "residues beside its four markers"
            )
        if int(sequence_MT.max()) >= most:
            raise ValueError(f"a row may hold {most} sequences; got {int(sequence_MT.max()) + 1}")


def masked_lm_loss(logits_NC: Tensor, labels_N: Tensor) -> Tensor:
    """Mean cross-entropy over labels that are neither 0 (E1's ignore value) nor -100; 0 where there is none."""
    labels_N = labels_N.masked_fill(labels_N == PAD, -100)
    total = F.cross_entropy(logits_NC.float(), labels_N, ignore_index=-100, reduction="sum")
    return total / (labels_N != -100).sum().clamp_min(1)


def compute_dtype(device: torch.device, weights: torch.dtype) -> torch.dtype:
    """The dtype layers compute in: autocast's where it is on for the device, else that of the weights."""
    return torch.get_autocast_dtype(device.type) if torch.is_autocast_enabled(device.type) else weights
