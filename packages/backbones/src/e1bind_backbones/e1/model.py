"""E1 as a Hugging Face model: a pre-norm encoder whose layers see one sequence, or all earlier ones too.

The layers run on packed tokens (see `layout`); only the results are laid out in rows again.

Shape legend: M rows, T padded tokens of a row, N real tokens, W of them in rows' last sequences, H hidden size,
C vocabulary.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel
from transformers.utils import ModelOutput

from e1bind_backbones.e1.config import E1Config
from e1bind_backbones.e1.layers import E1Layer, E1RMSNorm
from e1bind_backbones.e1.tokens import MARKERS, PAD
from e1bind_backbones.packed.attention import Attend, Attention, AttentionChoice
from e1bind_backbones.packed.dtypes import compute_dtype
from e1bind_backbones.packed.layout import RowLayout
from e1bind_backbones.packed.rope import Rotation, rotation


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


class PackedIds(NamedTuple):
    """int64 [N] each: token, position in its sequence, position in its row, sequence of the row."""

    token_N: Tensor
    within_N: Tensor
    global_N: Tensor
    sequence_N: Tensor


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
        self, ids: PackedIds, attention: Attention, dtype: torch.dtype, keep_all: bool, last_W: Tensor | None
    ) -> list[Tensor]:
        """The normed final state [N, H]; with `keep_all` after the embeddings and the outputs of all layers but
        the last.

        `last_W`: the tokens of rows' last sequences, where no others are wanted in the end. The others are left out
        from the last layer on that attends to them, and the final state is [W, H].
        """
        x_NH = (self.embed_tokens(ids.token_N) + self.embed_seq_id(ids.sequence_N)).to(dtype)
        turns = self._turns(ids, dtype)
        layers = list(self.layers)
        whole = layers if last_W is None else layers[: max(0, self.config.last_global_layer)]
        earlier = []
        for i, layer in enumerate(whole):
            if keep_all:
                earlier.append(x_NH)
            over_all = self.config.is_global(i)
            x_NH = self._run(layer, x_NH, turns[over_all], attention.over_all if over_all else attention.within)
        if last_W is not None:
            x_NH = self._last_layers(x_NH, layers[len(whole) :], turns, attention, last_W)
        return [*earlier, self.norm(x_NH)]

    def _last_layers(
        self,
        x_NH: Tensor,
        layers: Sequence[nn.Module],
        turns: tuple[Rotation, Rotation],
        attention: Attention,
        last_W: Tensor,
    ) -> Tensor:
        """The state [W, H] after the layers from the last global one on, or after all where none is."""
        if self.config.has_global_layers:
            x_WH = self._run(layers[0], x_NH, turns[True], attention.last_over_all, last_W)
            layers = layers[1:]
        else:
            x_WH = x_NH.index_select(0, last_W)
        within = turns[False][0].index_select(0, last_W), turns[False][1].index_select(0, last_W)
        for layer in layers:
            x_WH = self._run(layer, x_WH, within, attention.last_within)
        return x_WH

    def _turns(self, ids: PackedIds, dtype: torch.dtype) -> tuple[Rotation, Rotation]:
        """Of within-sequence and of global layers; the same one twice where there are no global ones.

        Made here and not in __init__: transformers 5 leaves buffers that are not saved as garbage.
        """
        config = self.config
        within = rotation(ids.within_N, config.head_dim, config.rope_theta_within_seq, dtype)
        if not config.has_global_layers:
            return within, within
        return within, rotation(ids.global_N, config.head_dim, config.rope_theta_global, dtype)

    def _run(
        self, layer: nn.Module, x_NH: Tensor, turn: Rotation, attend: Attend | None, wanted_W: Tensor | None = None
    ) -> Tensor:
        if self.gradient_checkpointing and self.training and torch.is_grad_enabled():
            # Re-entrant checkpointing would give no gradient at all where the embeddings are frozen.
            return checkpoint(layer, x_NH, turn, attend, wanted_W, use_reentrant=False)
        return layer(x_NH, turn, attend, wanted_W)


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
        last_only: bool = False,
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
        `last_only`: final states and logits of rows' last sequences alone, in fewer operations; they are zero
        elsewhere, as at padding.
        Raises ValueError on sequences out of order, or beyond what the model has positions for.
        """
        if layout is None:
            self._check_limits(within_seq_position_ids, sequence_ids)
            layout = RowLayout.build(sequence_ids, view_ids).to(input_ids.device)
        dtype = compute_dtype(input_ids.device, self.model.embed_tokens.weight.dtype)
        attention = Attention.prepare(self.attention, layout, sequence_ids, view_ids)
        ids = (input_ids, within_seq_position_ids, global_position_ids, sequence_ids)
        packed = PackedIds(*(layout.pack(x) for x in ids))
        last = layout.last if last_only and not output_hidden_states and attention.last_within else None
        states = self.model(packed, attention, dtype, output_hidden_states, last and last.packed_N)
        layout = last.layout if last else layout
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
