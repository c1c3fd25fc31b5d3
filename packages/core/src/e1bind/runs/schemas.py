"""A model for every JSON and YAML file of a run: a file that does not fit its model is damaged."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from e1bind.runs.seals import LARGEST, Count, Hex, Number, Sealed, Stored

RUN = "run"
"""What the run itself is called beside its baselines; no baseline can have the name, which a test holds."""


class DataCounts(Stored):
    """Chains, labelled residues and binding residues of an ion."""

    proteins: Count
    residues: Count
    positives: Count


class Forced(Stored):
    """What `--force` let differ, which folds had finished by then, and the SHA-256 of the spec until then."""

    spec: Hex
    changes: list[str]
    finished_folds: list[Count]


class Begun(Sealed):
    """`data.json`: what the run was begun with. `spec`, `fingerprint`: SHA-256 of resolved spec and of the data.

    `processes`: those it was begun with. `forced`: each time it was gone on with although something had changed.
    """

    fingerprint: Hex
    spec: Hex
    ions: dict[str, DataCounts]
    processes: Annotated[int, Field(ge=1, le=LARGEST)] = 1
    forced: Annotated[list[Forced], Field(default_factory=list)]


class FoldDone(Sealed):
    """`fold.json`: a finished fold. `spec`: SHA-256 of the spec it was trained with (format 2).

    `way`: options of the backbone in place of the spec's, chosen by the memory there was.
    """

    fold: Annotated[int, Field(ge=1, le=LARGEST)]
    best_epoch: Annotated[int, Field(ge=1, le=LARGEST)]
    best_value: Number
    epochs: Annotated[int, Field(ge=1, le=LARGEST)]
    prototype_positives: dict[str, Count]
    spec: Hex | None = None
    way: Annotated[dict[str, str | bool], Field(default_factory=dict)]


class FoldFigures(DataCounts):
    """One fold and ion at the fold's best epoch."""

    fold: Annotated[int, Field(ge=1, le=LARGEST)]
    ion: str
    best_epoch: Count
    epochs: Count
    prototype_positives: Count | None
    metrics: dict[str, Number]


class Range(Stored):
    """A value, and its 95 % interval over proteins."""

    value: Number
    low: Number
    high: Number


class BaselineFigures(Stored):
    """A baseline of one ion over all folds, at its own threshold; `difference`: AUPRC of the run minus its own."""

    metrics: dict[str, Number]
    threshold: float
    auprc: Range
    difference: Range


class Choice(Stored):
    """What a method of choosing the threshold comes to, out of fold."""

    threshold: float
    precision: Number
    recall: Number
    f1: Number
    mcc: Number


class OofFigures(Stored):
    """One ion over all folds, at its threshold; `undefined` says why metrics are NaN.

    `auprc`: that metric with its interval, of a run that was held against `baselines`. `choices`: what other
    thresholds than the run's own would cost, by method; empty for runs made before they were kept.
    """

    metrics: dict[str, Number]
    threshold: float
    undefined: list[str]
    choices: Annotated[dict[str, Choice], Field(default_factory=dict)]
    auprc: Range | None = None
    baselines: Annotated[dict[str, BaselineFigures], Field(default_factory=dict)]


class Summary(Sealed):
    """`summary.json`: what a run came to."""

    run_id: str
    status: str
    backbone: str
    random_weights: bool
    monitor: str
    scoring_temperature: float
    ions: list[str]
    data: dict[str, DataCounts]
    folds: list[FoldFigures]
    oof: dict[str, OofFigures]
    warnings: list[str]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        ions = set(self.ions)
        if not ions or set(self.data) != ions or set(self.oof) != ions or {f.ion for f in self.folds} != ions:
            raise ValueError("data, folds and oof do not stand for the same ions")
        names = list(self.folds[0].metrics)
        of_folds, of_ions = [list(row.metrics) for row in self.folds], [list(o.metrics) for o in self.oof.values()]
        if any(found != names for found in of_folds + of_ions):
            raise ValueError("its rows do not hold the same metrics")
        return self

    @property
    def finished(self) -> bool:
        """Whether the run is whole; nothing else is written any more."""
        return self.status == "finished"

    @property
    def metric_names(self) -> list[str]:
        """Metrics of the run, in order."""
        return list(self.folds[0].metrics)


class PluginSource(Stored):
    """`plugins.json`: where one component came from."""

    component: str
    target: str
    distribution: str
    version: str
    entry_point: str
    module: str
    file: str | None = None
    editable: bool = False
    vcs: str | None = None
    sha256: str | None = None


class Environment(Stored):
    """`environment.json`: what the run ran on."""

    python: str
    platform: str
    packages: dict[str, str]
    cpu_count: Count | None
    torch_threads: Count
    cuda: str | None
    gpu: str | None
    world_size: Count


class ThresholdEntry(Stored):
    """`global_thresholds.yaml`: one ion."""

    method: str
    threshold: Annotated[float, Field(allow_inf_nan=False)]
    metrics: dict[str, Number]
    counts: dict[Literal["tp", "fp", "fn", "tn"], Count]


class Quality(Stored):
    ece: Number
    brier: Number


class CalibrationEntry(Stored):
    """`calibration.yaml`: one ion's map, and how good probabilities are before and after it."""

    map: dict[str, Any]
    before: Quality
    after: Quality


class MetricsRow(BaseModel):
    """A line of `metrics.jsonl`: where it belongs, and figures under names of losses and metrics."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)
    __pydantic_extra__: dict[str, Number]

    fold: Annotated[int, Field(ge=1, le=LARGEST)]
    epoch: Annotated[int, Field(ge=1, le=LARGEST)]
    ion: str
    split: Literal["train", "valid"]


class EvaluatedMetric(Stored):
    """A metric with its interval; `defined`: resamples in which it was a number."""

    value: Number
    low: Number
    high: Number
    defined: Count = 0
    reason: str | None = None


class EvaluatedIon(DataCounts):
    """One ion of an evaluation on test chains."""

    threshold: float
    counts: dict[str, Count]
    metrics: dict[str, EvaluatedMetric]
    calibrated: dict[str, Number] | None
    in_training: dict[str, list[str]]
    auprc: Range | None = None
    baselines: Annotated[dict[str, BaselineFigures], Field(default_factory=dict)]


class EvaluationFigures(Sealed):
    """`metrics.json` of an evaluation."""

    run_id: str
    folds: Count
    backbone: str | None
    interval: dict[str, str | int | float]
    warnings: list[str]
    ions: dict[str, EvaluatedIon]


class AdapterConfig(BaseModel):
    """`adapter_config.json`: peft's own; which keys there are is for peft to say."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    peft_type: str
