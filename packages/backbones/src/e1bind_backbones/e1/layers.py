"""The layers of E1, on packed tokens; modules and parameters are called as in its checkpoints.

Shape legend: N tokens, W of them that are wanted, H hidden size, F inner width, h heads, d head width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers.activations import ACT2FN

from e1bind_backbones.e1.config import E1Config
from e1bind_backbones.packed.attention import Attend
from e1bind_backbones.packed.elementwise import rms_norm, silu_gate
from e1bind_backbones.packed.projections import project
from e1bind_backbones.packed.rope import Rotation, turned_heads


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

    def forward(self, x_NH: Tensor, turn: Rotation, attend: Attend, wanted_W: Tensor | None = None) -> Tensor:
        """Of all tokens, or of those that are `wanted_W`; all of them are keys."""
        if wanted_W is None:
            q, k, v = project((self.q_proj, self.k_proj, self.v_proj), x_NH)
            q_turn = turn
        else:
            q, (k, v) = self.q_proj(x_NH.index_select(0, wanted_W)), project((self.k_proj, self.v_proj), x_NH)
            q_turn = turn[0].index_select(0, wanted_W), turn[1].index_select(0, wanted_W)
        dtype = turn[0].dtype  # norms that PEFT raised to fp32 may have raised these too
        q, k, v = (y.to(dtype).unflatten(-1, (-1, self.head_dim)) for y in (q, k, v))
        q, k, v = turned_heads(q, k, v, (q_turn, turn), self.clip)
        if self.heads_per_key > 1:
            k, v = (y.repeat_interleave(self.heads_per_key, dim=1) for y in (k, v))
        return self.o_proj(attend(q, k, v).flatten(1))


class E1NormAttention(nn.Module):
    """The attention half of a layer: its norm and attention, and the norm of the half that follows."""

    def __init__(self, config: E1Config) -> None:
        super().__init__()
        self.input_layernorm = E1RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.self_attn = E1Attention(config)
        self.post_attention_layernorm = E1RMSNorm(config.hidden_size, config.rms_norm_eps)

    def forward(
        self, x_NH: Tensor, turn: Rotation, attend: Attend, wanted_W: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The residual stream after attention, and the same normed for the feed-forward block."""
        stream = x_NH if wanted_W is None else x_NH.index_select(0, wanted_W)
        h_NH = stream + self.self_attn(self.input_layernorm(x_NH), turn, attend, wanted_W)
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
    """One pre-norm layer; of the tokens `wanted_W` alone where they are told, while all are attended to."""

    def __init__(self, config: E1Config) -> None:
        super().__init__()
        self.norm_attn_norm = E1NormAttention(config)
        self.ffn = E1FeedForward(config)

    def forward(self, x_NH: Tensor, turn: Rotation, attend: Attend, wanted_W: Tensor | None = None) -> Tensor:
        h_NH, normed_NH = self.norm_attn_norm(x_NH, turn, attend, wanted_W)
        return h_NH + self.ffn(normed_NH)
