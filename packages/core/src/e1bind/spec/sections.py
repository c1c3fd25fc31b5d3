"""The host's own tables of a run spec. What belongs to a component stands in that component's options model."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from e1bind.files.text import control_character
from e1bind.spec.options import Options, OutputPath, SpecPath

NonNegative = Annotated[float, Field(ge=0)]
Probability = Annotated[float, Field(ge=0, le=1)]

MOST = 10**9
"""Upper bound of counts: more is a slip, and the product of two counts still fits into 64 bits."""
MAX_PROCESSES = 1024
"""Upper bound of threads and worker processes: more than this cannot be started, and ends the process unasked."""
MAX_WIDTH = 2**16
"""Upper bound of ranks and widths: matrices of this size no longer fit into memory."""
YEAR = 365 * 24 * 60.0
"""Minutes; a time-out of many more overflows the clock."""
MAX_ION = 100


def _unique(values: list[str]) -> list[str]:
    repeated = sorted(value for value, count in Counter(values).items() if count > 1)
    if repeated:
        raise ValueError(f"names {', '.join(repeated)} more than once")
    return values


def _ion_name(name: str) -> str:
    if strange := control_character(name):
        raise ValueError(f"the name of an ion holds the control character {strange}")
    if not name.strip() or len(name) > MAX_ION:
        raise ValueError(f"the name of an ion has 1 to {MAX_ION} characters, not {len(name.strip())}")
    return name


IonName = Annotated[str, AfterValidator(_ion_name)]


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


class TrainingSection(Options):
    """`[training]`: the optimisation."""

    ions: Annotated[list[IonName], AfterValidator(_unique)] = Field(
        min_length=1, max_length=1000, description="Ions to learn, as the data files name them."
    )
    epochs: int = Field(30, ge=1, le=10**6, description="Most epochs of one fold.")
    learning_rate: Annotated[float, Field(gt=0)] = Field(1e-4, description="Peak learning rate.")
    min_lr: NonNegative = Field(1e-6, description="Learning rate at the end of the cosine.")
    warmup_epochs: NonNegative = Field(3, description="Epochs of linear warm-up; fractions are allowed.")
    weight_decay: NonNegative = Field(0.05, description="AdamW weight decay; never on norms and biases.")
    grad_clip: NonNegative = Field(1.0, description="Largest gradient norm; 0: no clipping.")
    batch_size: int = Field(2, ge=1, le=MOST, description="Proteins of one micro-batch.")
    max_tokens: int | None = Field(
        None,
        ge=1,
        le=MOST,
        description="Residues times views of one micro-batch, in place of batch_size; pools of like length.",
    )
    length_pool: int = Field(
        512,
        ge=1,
        le=MOST,
        description="With max_tokens: chains that are sorted by length together; more waste less padding.",
    )
    accum_steps: int = Field(4, ge=1, le=MOST, description="Micro-batches of one optimizer step, on each process.")
    early_stop_patience: int = Field(
        7, ge=0, le=MOST, description="Epochs without a better monitored metric before a fold ends; 0: never."
    )
    save_every_steps: int | None = Field(
        None,
        ge=1,
        le=MOST,
        description="Also save the resumable state after so many steps; absent: after each epoch.",
    )
    max_residues: int | None = Field(
        None,
        ge=16,
        le=MOST,
        description="Longer chains are seen through windows of this length; absent: the backbone's limit.",
    )
    window_overlap: int = Field(
        64, ge=0, le=MOST, description="Residues two neighbouring validation windows share."
    )
    workers: int = Field(
        0, ge=0, le=MAX_PROCESSES, description="Processes that prepare batches; 0: the training process itself."
    )
    ddp_find_unused_parameters: bool | Literal["auto"] = Field(
        "auto", description="Passed to DistributedDataParallel; auto: off, since nothing unused is registered."
    )

    @model_validator(mode="after")
    def _consistent(self) -> TrainingSection:
        if self.min_lr > self.learning_rate:
            raise ValueError(f"min_lr {self.min_lr} is above learning_rate {self.learning_rate}")
        if self.warmup_epochs > self.epochs:
            raise ValueError(f"warmup_epochs {self.warmup_epochs} is more than epochs {self.epochs}")
        if self.max_residues is not None and self.window_overlap >= self.max_residues:
            raise ValueError(f"window_overlap {self.window_overlap} is not below max_residues {self.max_residues}")
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
    compute: Annotated[list[str], AfterValidator(_unique)] = Field(
        ["auprc", "auroc", "hra", "f1", "mcc", "precision", "recall"],
        max_length=100,
        description="Metrics to compute; the monitored one and those with a table are added.",
    )


class BaselinesSection(Options):
    """`[baselines]`: what the run is held against; a baseline's own options stand in a table below."""

    compute: Annotated[list[str], AfterValidator(_unique)] = Field(
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
