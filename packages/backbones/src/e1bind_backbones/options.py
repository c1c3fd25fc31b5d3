"""Options of the backbones."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from e1bind.spec import CheckpointRef, Options

Dtype = Literal["float32", "bfloat16", "float16"]
ViewExecution = Literal["auto", "shared", "batched", "separate"]
Checkpointing = Literal["auto"] | bool
CHECKPOINTING = (
    "Keep only the inputs of each layer and recompute the rest in the backward pass; auto: where memory for "
    "training is short."
)


class E1Options(Options):
    """Options of `[backbone.e1]`. Exactly one of `checkpoint` and `random_weights` must be given."""

    alternatives = (frozenset({"checkpoint", "random_weights"}),)

    checkpoint: CheckpointRef | None = Field(
        None, description='Name of a model on the hub ("Profluent-Bio/E1-150m") or a local checkpoint folder.'
    )
    revision: str | None = Field(None, description="Branch, tag or commit of the hub model; the newest without it.")
    random_weights: Literal["tiny", "150m", "300m", "600m"] | None = Field(
        None, description="Untrained weights of this size instead of a checkpoint, for tests and benchmarks."
    )
    random_seed: int = Field(0, ge=0, description="Seed of `random_weights`.")
    dtype: Dtype = Field("float32", description="Precision of the weights and of the layers.")
    attention: Literal["auto", "slices", "dense", "flex"] = Field(
        "auto",
        description="Attention path: unmasked slices (any device), a dense mask (slow, for comparison), "
        "FlexAttention (GPU), or what suits the machine.",
    )
    compile_flex_attention: bool = Field(
        False, description='On a GPU, let attention = "auto" use a compiled FlexAttention in global layers.'
    )
    view_execution: ViewExecution = Field(
        "auto",
        description="How the views of a protein run: one shared context, all views as rows of one batch, one "
        "forward per view (least memory, recomputed in the backward pass), or shared wherever contexts agree "
        "(auto; one per view where memory for training is short).",
    )
    activation_checkpointing: Checkpointing = Field("auto", description=CHECKPOINTING)
    dropout: float = Field(
        0.0, ge=0, lt=1, description="Dropout on the final hidden states in training, before any loss sees them."
    )

    @model_validator(mode="after")
    def _one_source_of_weights(self) -> E1Options:
        if self.checkpoint is None and self.random_weights is None:
            raise ValueError(
                "no weights: give `checkpoint` (a hub name or a local folder), or `random_weights` for a test run"
            )
        if self.checkpoint is not None and self.random_weights is not None:
            raise ValueError("`checkpoint` and `random_weights` exclude each other: give one of them")
        if self.revision is not None and self.checkpoint is None:
            raise ValueError("`revision` belongs to a hub `checkpoint`; `random_weights` has none")
        return self

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        """The smallest random weights."""
        return {"random_weights": "tiny"}

    def capabilities(self) -> frozenset[str]:
        """Says so when the weights are random, for the log and the report."""
        return frozenset({"random-weights"} if self.random_weights else ())


class HfMlmOptions(Options):
    """Options of `[backbone.hf-mlm]`."""

    checkpoint: CheckpointRef = Field(
        description='Name of a model on the hub ("facebook/esm2_t33_650M_UR50D") or a local checkpoint folder.'
    )
    revision: str | None = Field(None, description="Branch, tag or commit of the hub model; the newest without it.")
    trust_remote_code: bool = Field(
        False, description="Run Python code that the checkpoint's repository ships. Read that code first."
    )
    dtype: Dtype = Field("float32", description="Precision of the weights and of the layers.")
    max_residues: int | None = Field(
        None, ge=1, description="Longest chain in residues; the model's own limit without it."
    )
    activation_checkpointing: Checkpointing = Field("auto", description=CHECKPOINTING)
    dropout: float = Field(
        0.0, ge=0, lt=1, description="Dropout on the final hidden states in training, before any loss sees them."
    )
    view_execution: Literal["auto", "batched", "separate"] = Field(
        "auto",
        description="How the views of a protein run: all views as rows of one batch, one forward per view "
        "(least memory, recomputed in the backward pass), or the first where there is memory for it (auto).",
    )

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        """A checkpoint of ESM-2's shape, two layers wide 24, written into `folder`."""
        from e1bind_backbones.tiny_checkpoint import write_tiny_esm  # loads transformers

        return {"checkpoint": str(write_tiny_esm(folder / "checkpoint"))}
