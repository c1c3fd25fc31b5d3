"""The host's own tables of a run spec. What belongs to a component stands in that component's options model."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from e1bind.spec.fields import MAX_ION, MAX_PROCESSES, MAX_WIDTH, MOST, YEAR, Probability, unique
from e1bind.spec.options import Options, OutputPath, SpecPath
from e1bind.spec.training import TrainingSection


class RunSection(Options):
    """`[run]`: where the results go, and what makes the run repeatable."""

    output_dir: OutputPath = Field(description="Folder that gets a subfolder for each run.")
    name: str | None = Field(
        None,
        max_length=100,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        description="First part of the run id; absent: the spec's name.",
    )
    seed: int = Field(
        1, ge=0, lt=2**63, description="Seed of folds, masks, contexts, LoRA initialisation and dropout."
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="Where to compute; auto: a GPU if there is one."
    )
    threads: int | None = Field(
        None, ge=1, le=MAX_PROCESSES, description="CPU threads of one process; absent: chosen by width."
    )
    distributed_timeout_minutes: Annotated[float, Field(gt=0, le=YEAR)] = Field(
        30.0, description="How long a process waits for the others before it gives up."
    )


class PluginsSection(Options):
    """`[plugins]`: which plugins the run insists on, refuses, or brings along as single files."""

    require: list[str] = Field(
        [], max_length=1000, description="Version requirements of plugins that must be installed."
    )
    block: list[str] = Field(
        [], max_length=1000, description="Distributions or entry points that must not be loaded."
    )
    local: list[SpecPath] = Field(
        [], max_length=1000, description="Single-file plugins, relative to the spec file."
    )


class CvSection(Options):
    """`[cv]`: cross-validation."""

    folds: int = Field(5, ge=2, le=10_000, description="Number of folds.")
    groups: SpecPath | None = Field(
        None,
        description="Two-column TSV (chain id, cluster): no cluster spans two folds. Absent: one group a sequence.",
    )


class LoraSection(Options):
    """`[lora]`: the adapter, made by peft."""

    enabled: bool = Field(
        True, description="Whether the backbone is adapted at all; false: only heads and projector learn."
    )
    r: int = Field(32, ge=1, le=MAX_WIDTH, description="Rank.")
    alpha: int = Field(64, ge=1, le=MOST, description="Scale of the update is alpha / r.")
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(0.2, description="Dropout on the adapter's input.")
    targets: list[str] | None = Field(
        None,
        min_length=1,
        max_length=1000,
        description="Names of the linear modules to adapt; absent: the backbone's own list.",
    )
    use_rslora: bool = Field(
        False, description="Rank-stabilised LoRA: the update is scaled by alpha / sqrt(r) in place of alpha / r."
    )
    use_dora: bool = Field(
        False, description="Weight-decomposed LoRA: magnitudes are trained as well; slower, sometimes better."
    )
    bias: Literal["none", "all", "lora_only"] = Field("none", description="Which biases to train.")
    fused: bool = Field(True, description="Plain LoRA layers compute in one operation; false: as peft does.")
    train_mlm_head: bool = Field(
        False, description="Train the masked-LM head in full, and save it with the adapter."
    )

    @model_validator(mode="after")
    def _an_adapter_to_save_with(self) -> LoraSection:
        if self.train_mlm_head and not self.enabled:
            raise ValueError("train_mlm_head needs enabled = true: the masked-LM head is saved with the adapter")
        return self


class MsaSampling(Options):
    """How context sequences are drawn from an alignment (section 10 of the E1 specification)."""

    max_num_samples: int = Field(64, ge=1, le=511, description="Most sequences of one context.")
    max_token_length: int = Field(
        8192, ge=1, le=MOST, description="Most residues of one context, markers not counted."
    )
    max_query_similarity: Probability = Field(
        0.95, description="Rows more similar to the query are left out, so that it cannot read itself."
    )
    min_query_similarity: Probability = Field(0.0, description="Rows less similar to the query are left out.")
    neighbor_similarity_lower_bound: Probability = Field(
        0.8, description="Rows at least this similar count as neighbours and share one weight."
    )

    @model_validator(mode="after")
    def _ordered(self) -> MsaSampling:
        if self.min_query_similarity > self.max_query_similarity:
            raise ValueError("min_query_similarity is above max_query_similarity: no row could be drawn")
        return self


class MsaSection(Options):
    """`[msa]`: contexts for training, and for validation and prediction."""

    train: MsaSampling = Field(MsaSampling(), description="Sampling for training views.")
    validation: MsaSampling = Field(
        MsaSampling(), description="Sampling for prototypes, validation and prediction."
    )
    contexts_in_validation: bool = Field(True, description="Whether validation and prediction see contexts at all.")
    cache_dir: OutputPath | None = Field(None, description="Where weighed alignments stay; absent: beside runs.")


class PrototypesSection(Options):
    """`[prototypes]`: the frozen direction of binding residues, one for each ion and fold."""

    max_samples: int = Field(100, ge=1, le=MOST, description="Training proteins a prototype is made of.")
    strategy: Literal["mean-positive", "mean-difference"] = Field(
        "mean-positive", description="Mean of positives, or mean of positives minus mean of negatives."
    )
    center: bool = Field(
        False,
        description="Subtract the mean of all residues first; helps where embeddings share a large common mean.",
    )
    match_rate: bool = Field(
        False,
        description="With center and mean-difference: move the centre towards binding residues until the mean "
        "probability before training is their share; the first steps need not unlearn that half of all bind.",
    )
    prototype_dim: int | None = Field(
        None,
        ge=1,
        le=MAX_WIDTH,
        description="Width of the space the prototype lives in; absent: the backbone's hidden size.",
    )
    projector: Literal["none", "linear"] = Field(
        "none", description="Trainable linear map from the hidden size to prototype_dim."
    )
    scoring_temperature: Annotated[float, Field(gt=0)] | None = Field(
        None, description="Temperature of the scores; absent: that of the losses that score, or 0.2 without one."
    )

    @model_validator(mode="after")
    def _a_centre_to_move(self) -> PrototypesSection:
        # Seen from a centre beyond them, the mean of binding residues alone points away from them.
        if self.match_rate and not (self.center and self.strategy == "mean-difference"):
            raise ValueError('match_rate needs center = true and strategy = "mean-difference"')
        return self


class MetricsSection(Options):
    """`[metrics]`: what is measured; a metric's own options stand in a table below, `[metrics.hra]`."""

    monitor: str = Field("hra", description="Metric that picks the best epoch, averaged over ions.")
    threshold_method: Literal["youden", "f1", "mcc"] = Field(
        "mcc",
        description="What the global thresholds maximise on out-of-fold scores. mcc and f1 suit classes as uneven "
        "as these; youden calls generously.",
    )
    calibration: str = Field(
        "none",
        max_length=MAX_ION,
        description="Map fitted on out-of-fold predictions that makes probabilities match frequencies: none, "
        "platt, isotonic, or a plugin's. Absent: that of the table [calibration.NAME], if there is one.",
    )
    compute: Annotated[list[str], AfterValidator(unique)] = Field(
        ["auprc", "auroc", "hra", "f1", "mcc", "precision", "recall"],
        max_length=100,
        description="Metrics to compute; the monitored one and those with a table are added.",
    )


class BaselinesSection(Options):
    """`[baselines]`: what the run is held against; a baseline's own options stand in a table below."""

    compute: Annotated[list[str], AfterValidator(unique)] = Field(
        ["residue-type", "window", "frozen-probe"],
        max_length=100,
        description="Baselines to compute on the folds of the run; those with a table are added. []: none.",
    )
    max_residues: int = Field(
        400_000,
        ge=1000,
        le=MOST,
        description="Baselines on embeddings learn from so many labelled residues of an ion at most, in chains "
        "drawn at random; each takes about 20 bytes for every unit of the backbone's width.",
    )


HOST_SECTIONS: dict[str, type[Options]] = {
    "run": RunSection,
    "plugins": PluginsSection,
    "cv": CvSection,
    "lora": LoraSection,
    "msa": MsaSection,
    "prototypes": PrototypesSection,
    "training": TrainingSection,
    "metrics": MetricsSection,
    "baselines": BaselinesSection,
}

COMPONENT_TABLES: dict[str, str] = {
    "data": "reader",
    "backbone": "backbone",
    "views": "view_generator",
    "head": "head",
    "losses": "loss",
    "metrics": "metric",
    "baselines": "baseline",
    "calibration": "calibration",
    "trackers": "tracker",
}
"""Table of the spec -> kind of the components it is keyed by."""

SINGLE_CHOICE = ("data", "backbone", "views", "head")
"""Tables that hold exactly one component."""

ASSUMED = {"head": "prototype"}
"""What a single-choice table means that is not there."""

MIXED = ("metrics", "baselines")
"""Tables of the host that hold tables of components as well."""
