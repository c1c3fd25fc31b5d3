"""The shape of an E1 model, read from a published `config.json`."""

from __future__ import annotations

import logging
from typing import Any

from transformers import PreTrainedConfig

from e1bind_backbones.e1.tokens import BOS, EOS, PAD, VOCABULARY

log = logging.getLogger(__name__)


class E1Config(PreTrainedConfig):
    """Hyper-parameters of an E1 model. The defaults are those of no published model: read `config.json`.

    hidden_size, intermediate_size, num_hidden_layers, num_attention_heads, num_key_value_heads
                                    widths and counts; None for `intermediate_size` is 3 (gated) or 4 times
                                    `hidden_size`, None for `num_key_value_heads` is `num_attention_heads`
    gated_mlp, hidden_act           three-matrix or two-matrix feed-forward block, and its activation
    rms_norm_eps                    epsilon of every RMSNorm and of the head's LayerNorm
    global_attention_every_n_layers layer i (from 0) is global where (i + 1) is a multiple of it; 0: none is
    max_num_sequences               rows of the sequence-index embedding
    max_num_positions_within_seq    longest sequence in tokens, its four markers included
    rope_theta_within_seq, rope_theta_global
                                    RoPE bases of the two kinds of layer
    clip_qkv                        bound of the clamp on queries, keys and values; None for no clamp

    Keys that are not listed are kept and change nothing.
    """

    model_type = "E1"

    def __init__(
        self,
        vocab_size: int | None = None,
        hidden_size: int = 4096,
        intermediate_size: int | None = 16384,
        gated_mlp: bool = False,
        num_hidden_layers: int = 40,
        num_attention_heads: int = 32,
        num_key_value_heads: int | None = 8,
        hidden_act: str = "silu",
        rms_norm_eps: float = 1e-5,
        initializer_range: float = 0.02,
        global_attention_every_n_layers: int = 0,
        max_num_sequences: int = 512,
        max_num_positions_within_seq: int = 8192,
        max_num_positions_global: int = 131072,
        rope_theta_within_seq: float = 10000.0,
        rope_theta_global: float = 100000.0,
        clip_qkv: float | None = None,
        tie_word_embeddings: bool = False,
        pad_token_id: int | None = PAD,
        bos_token_id: int | None = BOS,
        eos_token_id: int | None = EOS,
        gradient_checkpointing: bool = False,
        no_ffn_gradient_checkpointing: bool = False,
        **kwargs: Any,
    ) -> None:
        self.vocab_size = len(VOCABULARY) if vocab_size is None else vocab_size
        self.hidden_size = hidden_size
        if intermediate_size is None:
            intermediate_size = hidden_size * (3 if gated_mlp else 4)
        self.intermediate_size = intermediate_size
        self.gated_mlp = gated_mlp
        self.num_hidden_layers = num_hidden_layers
        self.num_attention_heads = num_attention_heads
        self.num_key_value_heads = num_attention_heads if num_key_value_heads is None else num_key_value_heads
        self.hidden_act = hidden_act
        self.rms_norm_eps = rms_norm_eps
        self.initializer_range = initializer_range
        self.global_attention_every_n_layers = global_attention_every_n_layers
        self.max_num_sequences = max_num_sequences
        self.max_num_positions_within_seq = max_num_positions_within_seq
        self.max_num_positions_global = max_num_positions_global
        self.rope_theta_within_seq = rope_theta_within_seq
        self.rope_theta_global = rope_theta_global
        self.clip_qkv = clip_qkv
        self.tie_word_embeddings = tie_word_embeddings
        self.gradient_checkpointing = gradient_checkpointing
        self.no_ffn_gradient_checkpointing = no_ffn_gradient_checkpointing
        self._take_markers_from_vocabulary(pad_token_id, bos_token_id, eos_token_id)
        self._check()
        super().__init__(**kwargs)

    def _take_markers_from_vocabulary(self, pad: int | None, bos: int | None, eos: int | None) -> None:
        if (pad, bos, eos) != (PAD, BOS, EOS):
            log.warning("E1 takes its pad, bos and eos ids from its vocabulary; %s is ignored", (pad, bos, eos))
        self.pad_token_id, self.bos_token_id, self.eos_token_id = PAD, BOS, EOS

    def _check(self) -> None:
        if self.vocab_size < len(VOCABULARY):
            raise ValueError(f"vocab_size is {self.vocab_size}; the vocabulary has {len(VOCABULARY)} tokens")
        if self.hidden_size % (2 * self.num_attention_heads):
            raise ValueError(
                f"hidden_size {self.hidden_size} does not split into {self.num_attention_heads} heads of even width"
            )
        if self.num_attention_heads % self.num_key_value_heads:
            raise ValueError(
                f"{self.num_attention_heads} heads do not share {self.num_key_value_heads} key/value heads evenly"
            )
        if self.clip_qkv is not None and self.clip_qkv <= 0:
            raise ValueError(f"clip_qkv is {self.clip_qkv}; it must be above 0, or null for no clamp")
        if self.global_attention_every_n_layers < 0:
            raise ValueError("global_attention_every_n_layers must be 0 (none) or more")

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.hidden_size // self.num_attention_heads

    def is_global(self, layer: int) -> bool:
        """Whether layer `layer`, counted from 0, attends to earlier sequences."""
        every = self.global_attention_every_n_layers
        return every > 0 and (layer + 1) % every == 0

    @property
    def last_global_layer(self) -> int:
        """The last layer that attends to earlier sequences; -1 without one."""
        return max((i for i in range(self.num_hidden_layers) if self.is_global(i)), default=-1)

    @property
    def has_global_layers(self) -> bool:
        """Whether any layer attends to earlier sequences."""
        return self.last_global_layer >= 0

    def num_parameters(self) -> int:
        """Parameters of the masked language model of this shape."""
        h, f, v = self.hidden_size, self.intermediate_size, self.vocab_size
        kv = self.num_key_value_heads * self.head_dim
        layer = 2 * h * h + 2 * h * kv + (3 if self.gated_mlp else 2) * h * f + 2 * h
        head = h * h + h + 2 * h + v * h + v
        return v * h + self.max_num_sequences * h + self.num_hidden_layers * layer + h + head
