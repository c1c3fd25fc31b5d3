"""Options of the built-in losses. `weight` is not among them: it belongs to the host."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from e1bind.spec import Options

_TEMPERATURE = "Divides the cosine similarities; lower means that close residues count more."
_SCORING = (
    "A residue's score is (sim_pos - sim_neg) / scoring_temperature, averaged over its views. All losses on scores "
    "share one value, and so do validation and prediction."
)
_HEAD_SCORING = f"{_SCORING} Only a prototype head has a temperature; another head's scores are taken as they are."
_CACHE = (
    "Memory, in MB, for similarities kept from forward to backward; what does not fit is computed again. 0 takes "
    "the least memory. All similarities of N embeddings take about N * N / 500,000 MB. On a CPU the memory stays "
    "with the process for the next step."
)


class ContrastOptions(Options):
    """What the losses share that compare every residue with every other."""

    temperature: float = Field(0.07, gt=0, description=_TEMPERATURE)
    products: Literal["float32", "bfloat16"] = Field(
        "float32",
        description="Precision of the large products between different residues. bfloat16 is faster on a GPU; sums "
        "and the products between views of one residue stay in float32.",
    )
    fused: bool = Field(
        False,
        description="With bfloat16 products on a CUDA GPU: one kernel for a tile of similarities, not many torch "
        "operations: half the time at 32,768 vectors on an H100. On a CPU it changes nothing.",
    )
    cache_mb: int = Field(64, ge=0, description=_CACHE)

    @model_validator(mode="after")
    def _fused_products_are_rounded(self) -> Self:
        if self.fused and self.products != "bfloat16":
            raise ValueError('fused = true needs products = "bfloat16"')
        return self


class NTXentOptions(ContrastOptions):
    """Views of one residue against all other residues."""

    negatives: Literal["batch", "other-proteins"] = Field(
        "batch",
        description="What a residue is told apart from: all other residues of the batch, or only residues of other "
        "proteins.",
    )
    gather_negatives: bool = Field(
        False, description="Under torchrun: use the residues of all processes as negatives, not only one's own."
    )

    def capabilities(self) -> frozenset[str]:
        """Whether processes together are as one with all residues."""
        return frozenset({"all-ranks"} if self.gather_negatives else ())


class SupConOptions(ContrastOptions):
    """Residues with the same label against all residues."""

    anchors: Literal["all", "binding"] = Field(
        "all",
        description="Whose mean is taken: all residues, or binding ones only, which keeps the majority class from "
        "deciding the loss.",
    )


class PrototypeAlignmentOptions(Options):
    """Pull towards a residue's own prototype, with a margin for each class."""

    temperature: float = Field(0.07, gt=0, description=_TEMPERATURE)
    eps_pos: float = Field(
        0.25,
        ge=0,
        le=2,
        description="A binding residue is pulled until its own similarity leads the other one by more than this.",
    )
    eps_neg: float = Field(0.05, ge=0, le=2, description="The same for a residue that does not bind.")


class BCEOptions(Options):
    """Binary cross-entropy on the head's scores."""

    label_smoothing: float = Field(
        0.05,
        ge=0,
        lt=0.5,
        description="In training the targets are 1 - label_smoothing and label_smoothing instead of 1 and 0.",
    )
    pos_weight: float | None = Field(
        None, gt=0, description="Factor on binding residues; negatives / positives balances the classes. None: 1."
    )


class PrototypeBCEOptions(BCEOptions):
    """Binary cross-entropy on the scores of prototypes."""

    scoring_temperature: float = Field(0.2, gt=0, description=_SCORING)


class FocalOptions(Options):
    """Focal loss on the scores."""

    scoring_temperature: float = Field(0.2, gt=0, description=_HEAD_SCORING)
    gamma: float = Field(
        2.0, ge=0, description="How fast well-scored residues fade out; 0 is weighted cross-entropy."
    )
    alpha: float | None = Field(
        0.25, gt=0, lt=1, description="Weight of binding residues, the others weigh 1 - alpha. None: both weigh 1."
    )


class AsymmetricOptions(Options):
    """Asymmetric loss on the scores."""

    scoring_temperature: float = Field(0.2, gt=0, description=_HEAD_SCORING)
    gamma_pos: float = Field(0.0, ge=0, description="How fast well-scored binding residues fade out.")
    gamma_neg: float = Field(4.0, ge=0, description="How fast well-scored non-binding residues fade out.")
    clip: float = Field(
        0.05,
        ge=0,
        lt=1,
        description="Subtracted from the probability of non-binding residues; those below it count nothing.",
    )


class MaskedLMOptions(Options):
    """The masked-LM loss has no options of its own; how much is masked is up to the view generator."""
