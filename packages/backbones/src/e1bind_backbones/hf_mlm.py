"""Any Hugging Face encoder masked language model as a backbone.

Shape legend: M rows, T padded tokens of a row, K masked (residue, view) pairs, D embedding width, C vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForMaskedLM,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING

from e1bind.contracts import TokenBatch
from e1bind.errors import UserError
from e1bind.log import log
from e1bind_backbones.esm_layers import agrees, hidden_states, understands
from e1bind_backbones.loading import reading_checkpoint, write_model
from e1bind_backbones.options import HfMlmOptions
from e1bind_backbones.padding_check import check_padding, tolerance
from e1bind_backbones.parts import run_parts
from e1bind_backbones.residue_tokens import HfViewEncoder, learn_residue_tokens

OPTION = "backbone.hf-mlm.checkpoint"
HEADS = (("lm_head",), ("cls",), ("head", "decoder"), ("generator_predictions", "generator_lm_head"))
"""Modules that make scores of final hidden states, in order, by architecture; whichever a model has is tried."""
OFFSET_POSITIONS = {"esm", "roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "roberta-prelayernorm"}
"""Model types that number positions from the pad id + 1, so that fewer tokens fit their position table."""


class HfMlmBackbone:
    """A masked language model from a hub or a folder (`contracts.Backbone`); it reads single chains only."""

    supports_context = False

    def __init__(self, options: HfMlmOptions) -> None:
        self.options = options
        with reading_checkpoint(options.checkpoint, OPTION):
            self._refuse_e1()
            self.config = AutoConfig.from_pretrained(options.checkpoint, **self._arguments)
            tokenizer = AutoTokenizer.from_pretrained(options.checkpoint, **self._arguments)
        self._refuse_other_kinds()
        self.packs = understands(self.config)
        """Whether its layers run on packed tokens; `load_model` asks the model whether they may."""
        self.tokens = learn_residue_tokens(tokenizer, options.checkpoint)
        self.hidden_size: int = self.config.hidden_size
        self.has_mlm_head = any(
            name.endswith(("ForMaskedLM", "ForPreTraining")) for name in self.config.architectures or ()
        )
        self.max_residues = self._longest(tokenizer)
        self.description = f"{self.config.model_type}, {options.checkpoint}: {self._size()}, {options.dtype}"

    @property
    def licence(self) -> str:
        """What is known of the terms of the weights."""
        return (
            "Its publisher states the licence MIT" if self.options.checkpoint.startswith("facebook/esm2_") else ""
        )

    def save_checkpoint(self, model: nn.Module, folder: Path) -> None:
        """Write configuration, weights and tokeniser. Raises `UserError` for a model with code of its own."""
        checkpoint = self.options.checkpoint
        if getattr(self.config, "auto_map", None):
            raise UserError(f"{OPTION}: {checkpoint} brings code of its own, which is not written with weights")
        with reading_checkpoint(checkpoint, OPTION):
            AutoTokenizer.from_pretrained(checkpoint, **self._arguments).save_pretrained(folder)
        write_model(plain_model(model), folder)

    @property
    def _arguments(self) -> dict[str, Any]:
        options = self.options
        revision = {} if options.revision is None else {"revision": options.revision}
        return {"trust_remote_code": options.trust_remote_code, **revision}

    def _refuse_e1(self) -> None:
        raw, _ = PreTrainedConfig.get_config_dict(self.options.checkpoint, **self._arguments)
        if raw.get("model_type") == "E1":
            raise UserError(f"{OPTION}: {self.options.checkpoint} is an E1 model; it goes through [backbone.e1]")

    def _refuse_other_kinds(self) -> None:
        config, checkpoint = self.config, self.options.checkpoint
        remote = getattr(config, "auto_map", None) or {}
        known = type(config) in MODEL_FOR_MASKED_LM_MAPPING or "AutoModelForMaskedLM" in remote
        if not known or config.is_encoder_decoder or getattr(config, "is_decoder", False):
            raise UserError(
                f"{OPTION}: {checkpoint} is a {config.model_type!r} model, not an encoder masked language model"
            )

    def _longest(self, tokenizer: Any) -> int | None:
        """Residues of the longest chain the model has positions for, or the option's number if that is less."""
        table = getattr(self.config, "max_position_embeddings", None)
        if table is not None and self.config.model_type in OFFSET_POSITIONS:
            table -= self.config.pad_token_id + 1
        limits = [n - self.tokens.special for n in (table, tokenizer.model_max_length) if n is not None]
        own, wanted = min(limits, default=None), self.options.max_residues
        if wanted is None or own is None:
            return wanted if own is None else own
        if wanted > own:
            raise UserError(f"backbone.hf-mlm.max_residues is {wanted}, but {self.options.checkpoint} takes {own}")
        return wanted

    @cached_property
    def _skeleton(self) -> PreTrainedModel:
        """The model without weights, to look at its parts."""
        auto = AutoModelForMaskedLM if self.has_mlm_head else AutoModel
        with torch.device("meta"), reading_checkpoint(self.options.checkpoint, OPTION):
            return _without_pooler(auto.from_config(self.config, trust_remote_code=self.options.trust_remote_code))

    def _size(self) -> str:
        count = sum(p.numel() for p in self._skeleton.parameters())
        return f"{self.config.num_hidden_layers} layers x {self.hidden_size}, {count / 1e6:.1f}M parameters"

    @cached_property
    def lora_targets(self) -> tuple[str, ...]:
        """The linear modules of the encoder's layers: attention and feed-forward projections, never the head."""
        return layer_linears(self._skeleton)

    @cached_property
    def mlm_head_modules(self) -> tuple[str, ...]:
        """The head's modules; none without a head."""
        return _head_of(self._skeleton) if self.has_mlm_head else ()

    def encoder(self) -> HfViewEncoder:
        """The tokenising half, for data-loader workers."""
        return HfViewEncoder(self.tokens, self.max_residues, by_view=self.options.view_execution == "separate")

    def load_model(self) -> nn.Module:
        """The plain Hugging Face model with its weights in the wanted dtype."""
        options, auto = self.options, AutoModelForMaskedLM if self.has_mlm_head else AutoModel
        with reading_checkpoint(options.checkpoint, OPTION):
            model, info = auto.from_pretrained(
                options.checkpoint,
                config=self.config,
                dtype=getattr(torch, options.dtype),
                output_loading_info=True,
                **self._arguments,
            )
        missing = sorted(name for name in info["missing_keys"] if "pooler" not in name.split("."))
        if missing:
            raise UserError(
                f"{OPTION}: {options.checkpoint} lacks {len(missing)} parameters of the model its config.json "
                f"states ({', '.join(missing[:5])}); they would be random"
            )
        model = _without_pooler(model)
        if self.packs and not agrees(model.base_model, tolerance(model)):
            log.warning(
                "%s: %s computes something else than ESM-2; it runs as transformers has it",
                OPTION,
                options.checkpoint,
            )
            self.packs = False
        if options.activation_checkpointing is True:
            _checkpoint_activations(model, True)
        if self.has_mlm_head:
            _check_head(model, options.checkpoint)
        check_padding(self, model, OPTION, options.checkpoint)
        return model

    def adjusted(self, model: nn.Module, options: HfMlmOptions) -> HfMlmBackbone:
        """The same with other ways to run views and to keep activations, for which `model` is set up.

        Layers of transformers that cannot keep less keep what they kept.
        """
        other, plain = copy(self), plain_model(model)
        other.options = options
        if plain.supports_gradient_checkpointing:
            _checkpoint_activations(plain, options.activation_checkpointing is True)
        return other

    def hidden(self, model: nn.Module, batch: TokenBatch) -> Tensor:
        """Final hidden states of all tokens, [M*T, D] fp32; of no meaning at padding."""
        encoder = plain_model(model).base_model  # the head is for masked tokens alone
        checkpointing = self.options.activation_checkpointing is True and model.training

        def run(inputs: Mapping[str, Any]) -> Tensor:
            if self.packs:
                return hidden_states(encoder, **inputs, checkpointing=checkpointing)
            return encoder(**{name: inputs[name] for name in ("input_ids", "attention_mask")}).last_hidden_state

        hidden_MTD = run_parts(run, batch.inputs)
        return F.dropout(hidden_MTD.flatten(0, 1).float(), self.options.dropout, model.training)

    def mlm_logits(self, model: nn.Module, hidden_KD: Tensor) -> Tensor:
        """The pretrained head's scores [K, C] fp32 for K hidden states."""
        if not self.has_mlm_head:
            raise UserError(
                f"{OPTION}: {self.options.checkpoint} has no masked-LM head, which a loss of the run needs"
            )
        return head_scores(plain_model(model), hidden_KD)


def plain_model(model: nn.Module) -> PreTrainedModel:
    """The Hugging Face model inside wrappers such as PEFT's."""
    for module in model.modules():
        if isinstance(module, PreTrainedModel):
            return module
    raise TypeError(f"there is no Hugging Face model inside {type(model).__name__}")


def layer_linears(model: PreTrainedModel) -> tuple[str, ...]:
    """Names, from the layer on, of the linear modules in the encoder's stacks of layers; sorted.

    PEFT matches them as endings. An ending that would also match a module elsewhere is left out.
    """
    stacks = [name for name, module in model.named_modules() if isinstance(module, nn.ModuleList)]
    inside, outside = set(), set()
    for name, module in model.named_modules():
        if not isinstance(module, nn.Linear):
            continue
        stack = next((s for s in stacks if name.startswith(s + ".")), None)
        if stack is None:
            outside.add(name)
        else:
            inside.add(name[len(stack) + 1 :].partition(".")[2])
    return tuple(sorted(end for end in inside if not any(name.endswith("." + end) for name in outside)))


def _head_of(model: PreTrainedModel) -> tuple[str, ...]:
    for names in HEADS:
        if all(isinstance(getattr(model, name, None), nn.Module) for name in names):
            return names
    raise UserError(f"{OPTION}: the masked-LM head of a {model.config.model_type!r} model is not known to hf-mlm")


def head_scores(model: PreTrainedModel, hidden_KD: Tensor) -> Tensor:
    """Scores [K, C] fp32 of a masked-LM model's head."""
    y = hidden_KD[None]
    for name in _head_of(model):
        head = getattr(model, name)
        y = head(y.to(next(head.parameters()).dtype))
    return y[0].float()


def _check_head(model: PreTrainedModel, checkpoint: str) -> None:
    """Raise `UserError` unless `head_scores` of the final hidden states are the model's own logits."""
    ids = torch.arange(min(8, model.config.vocab_size))[None]
    with torch.no_grad():
        states = model.base_model(input_ids=ids).last_hidden_state[0]
        logits = model(input_ids=ids).logits[0].float()
        if not torch.allclose(head_scores(model, states), logits, rtol=1e-2, atol=1e-2 * float(logits.abs().max())):
            raise UserError(f"{OPTION}: hf-mlm does not understand the masked-LM head of {checkpoint}")


def _without_pooler(model: PreTrainedModel) -> PreTrainedModel:
    """Drop the sentence pooler some encoders come with: it is unused, and random where the checkpoint has none."""
    if getattr(model.base_model, "pooler", None) is not None:
        model.base_model.pooler = None
    return model


def _checkpoint_activations(model: PreTrainedModel, wanted: bool) -> None:
    """Whether transformers' own layers keep their inputs alone; those on packed tokens are told at each call."""
    name = next(name for name in ("activation", "gradient") if hasattr(model, f"{name}_checkpointing_enable"))
    if wanted and not model.supports_gradient_checkpointing:
        raise UserError(
            f"{OPTION.rpartition('.')[0]}.activation_checkpointing: layers of a {model.config.model_type!r} model "
            "cannot keep less; set it to false"
        )
    if wanted:
        getattr(model, f"{name}_checkpointing_enable")({"use_reentrant": False})
    else:
        getattr(model, f"{name}_checkpointing_disable")()
