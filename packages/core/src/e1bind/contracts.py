"""The typed values that flow from stage to stage, and what a component of each kind must do.

This module imports no torch: tensors appear in annotations only, so that a spec can be validated without it.

Shape legend, for this module and every one that works on these values:

    B proteins in a batch        V views of a protein       L residues of one protein
    R residues of all B proteins D embedding width          K masked (residue, view) pairs
    M rows of a token batch      T tokens of a row          C entries of the backbone's vocabulary
    N scored residues
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

STANDARD_RESIDUES = "ACDEFGHIKLMNPQRSTVWY"
MASK = "?"
"""How a masked residue is written in `View.visible`; every backbone puts its own mask token there."""
UNKNOWN = -1
"""The label of a residue of which nothing is known for an ion."""


# --------------------------------------------------------------------------------------------- data


@dataclass(frozen=True, eq=False)
class ResidueRecord:
    """One chain: its residues, and for each ion it was observed with a label per residue.

    `labels` maps an ion to int8 [L] of 0, 1 or `UNKNOWN`; an ion that is absent is unknown everywhere.
    `msa` is the chain's alignment (a3m), `source` says where the record was read ("file:line").
    """

    id: str
    sequence: str
    labels: Mapping[str, NDArray[np.int8]] = field(default_factory=dict)
    msa: Path | None = None
    source: str = ""

    def __len__(self) -> int:
        return len(self.sequence)

    def positives(self, ion: str) -> int:
        """Number of residues labelled 1 for `ion`."""
        return int((self.labels[ion] == 1).sum()) if ion in self.labels else 0

    def window(self, start: int, stop: int) -> ResidueRecord:
        """The residues [start, stop) with their labels, under the same id."""
        labels = {ion: values[start:stop] for ion, values in self.labels.items()}
        return replace(self, sequence=self.sequence[start:stop], labels=labels)


class Reader(Protocol):
    """Reads labelled chains. Built as `target(options)`."""

    def read(self, ion: str, split: str) -> list[ResidueRecord]:
        """The records of one ion; `split` is "train" or "test". Raises `DataError`."""
        ...


# -------------------------------------------------------------------------------------------- views


@dataclass(frozen=True)
class DrawKey:
    """What a random draw may depend on. Never on worker, rank or order: the same key, the same draw."""

    run_seed: int
    epoch: int
    protein: str

    def rng(self, purpose: str, view: int = 0) -> np.random.Generator:
        """A generator of its own for each (key, purpose, view)."""
        text = f"{self.run_seed}/{self.epoch}/{self.protein}/{purpose}/{view}"
        return np.random.default_rng(int.from_bytes(blake2b(text.encode(), digest_size=16).digest(), "big"))


@dataclass(frozen=True, eq=False)
class View:
    """One view of one chain: what the model gets to see of it.

    `visible` has L characters: residues, with `MASK` where a residue is hidden. `selected` [L] is true where a
    residue was selected for masked-LM prediction, whether it is hidden, replaced or kept. `truth` is the chain
    itself. `context` are homologous sequences (upper case, no gaps) the model may read before the query.
    """

    truth: str
    visible: str
    selected: NDArray[np.bool_]
    context: tuple[str, ...] = ()

    @classmethod
    def unmasked(cls, sequence: str, context: tuple[str, ...] = ()) -> View:
        """The chain as it is."""
        return cls(sequence, sequence, np.zeros(len(sequence), dtype=bool), context)


class ContextSource(Protocol):
    """Draws homologous sequences for a chain."""

    def draw(self, record: ResidueRecord, rng: np.random.Generator) -> tuple[str, ...]:
        """Context sequences for one view; empty where the chain has no alignment."""
        ...


class ViewGenerator(Protocol):
    """Makes the V training views of a chain. Built as `target(options)`; must be picklable."""

    num_views: int

    def generate(self, record: ResidueRecord, key: DrawKey, contexts: ContextSource | None) -> list[View]:
        """`num_views` views, a function of the arguments only; no context where `contexts` is None."""
        ...


# ----------------------------------------------------------------------------------------- backbone


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


# ------------------------------------------------------------------------------------------- losses


@dataclass(frozen=True)
class ResidueViews:
    """Labelled residues of one batch and one ion, gathered from the hidden states.

    `embeddings` fp32 [R, V, D], unit length. `view_mask` bool [R, V], false where the residue is masked in that
    view. `labels` int64 [R] of 0 or 1. `protein` int64 [R], index of the residue's protein within the batch.
    """

    embeddings: Tensor
    view_mask: Tensor
    labels: Tensor
    protein: Tensor


@dataclass(frozen=True)
class MaskedTokens:
    """The masked (residue, view) pairs of a batch, labelled residues or not.

    `logits` fp32 [K, C] of the backbone's pretrained head, `targets` int64 [K] the true token, `view` int64 [K]
    the view the pair stands in, `num_views` V.
    """

    logits: Tensor
    targets: Tensor
    view: Tensor
    num_views: int


@dataclass(frozen=True)
class LossInputs(ResidueViews):
    """What a loss is called with: the residues, the ion's prototype, and the masked tokens.

    `prototype` fp32 [D] is the unit vector of binding residues; the one of non-binding residues is its negation.
    `mlm` is None unless a loss of the run needs "mlm-logits".
    """

    prototype: Tensor
    mlm: MaskedTokens | None = None


@dataclass(frozen=True)
class LossOutput:
    """A scalar with a graph, and scalars worth logging (NaN = nothing to measure in this batch)."""

    value: Tensor
    logs: Mapping[str, Tensor] = field(default_factory=dict)


class Loss(Protocol):
    """A `torch.nn.Module` built as `target(options)`; train and eval mode are the module's own."""

    def __call__(self, batch: LossInputs) -> LossOutput: ...


# ------------------------------------------------------------------------------------------ metrics


@dataclass(frozen=True)
class MetricInputs:
    """Scored residues of one ion.

    `probabilities` float64 [N] in [0, 1], `labels` int8 [N] of 0 or 1, `protein` int64 [N] index of the
    residue's protein, `threshold` the decision threshold, or None where none was chosen.
    """

    probabilities: NDArray[np.float64]
    labels: NDArray[np.int8]
    protein: NDArray[np.int64]
    threshold: float | None = None


@dataclass(frozen=True)
class MetricOutput:
    """A number, or NaN with the reason why there is none."""

    value: float
    reason: str | None = None


class Metric(Protocol):
    """A figure of merit. Built as `target(options)`."""

    higher_is_better: bool

    def __call__(self, inputs: MetricInputs) -> MetricOutput: ...
