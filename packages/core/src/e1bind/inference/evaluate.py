"""`e1bind evaluate`: the fold ensemble on labelled chains that took no part in training.

Chains are scored exactly as `predict` scores them; metrics are those of the run, at the threshold that its
out-of-fold predictions gave, with intervals from resampling proteins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from e1bind.contracts import Metric, MetricInputs, ResidueRecord
from e1bind.curation.reading import read_ions
from e1bind.data.guarded_reader import GuardedReader
from e1bind.data.records import check_ids
from e1bind.engine.judgement import Judgement
from e1bind.errors import DataError, UserError
from e1bind.inference.alignments import check_use_of_alignments
from e1bind.inference.baselines import RunBaselines
from e1bind.inference.bootstrap import Interval, intervals
from e1bind.inference.ensemble import Ensemble, choose_device
from e1bind.inference.overlap import Overlap, overlap, training_sequences
from e1bind.inference.predict import Advance, chosen_ions
from e1bind.inference.stream import Prediction, predict_stream
from e1bind.log import log
from e1bind.metrics.confusion import Confusion, confusion_at
from e1bind.metrics.options import EceOptions, NoOptions
from e1bind.metrics.reliability import Brier, Ece
from e1bind.metrics.resampling import RESAMPLES
from e1bind.runs.oof_table import Table
from e1bind.runs.reader import FinishedRun, open_run


@dataclass(frozen=True)
class EvaluateOptions:
    """What to evaluate on. `data` None: the test file of the run's spec; "{ion}" in it stands for each ion.

    `target`: folder of the results, None for one in the run directory. `thresholds`: by ion, in place of the run's
    own. `trust_run_code`: code that the run brings along may be executed.
    """

    data: Path | None = None
    target: Path | None = None
    ions: Sequence[str] = ()
    msa_dir: Path | None = None
    resamples: int = RESAMPLES
    seed: int = 1
    device: str = "auto"
    max_tokens: int | None = None
    checkpoint: str | None = None
    thresholds: Mapping[str, float] = field(default_factory=dict)
    trust_run_code: bool = False


@dataclass(frozen=True, eq=False)
class IonResult:
    """One ion: its chains as scored, metrics, counts at the threshold, and what training had seen of them.

    `per_protein`: a row for each chain. `calibrated`: ECE and Brier score of the calibrated probabilities.
    """

    ion: str
    threshold: float
    predictions: Sequence[Prediction]
    metrics: Mapping[str, Interval]
    counts: Confusion
    per_protein: Sequence[Mapping[str, Any]]
    overlap: Overlap
    calibrated: Mapping[str, float] | None
    judged: Judgement | None

    def inputs(self) -> MetricInputs:
        """The labelled residues as metrics take them."""
        return labelled(self.predictions, self.ion, self.threshold)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """All ions of an evaluation; intervals are from `resamples` draws of proteins with `seed`."""

    run: FinishedRun
    ions: Sequence[IonResult]
    warnings: Sequence[str]
    resamples: int
    seed: int


def evaluate(run_dir: Path, options: EvaluateOptions, advance: Advance = lambda _: None) -> Evaluation:
    """Score and measure; Raises `UserError`. The chains are read before a model is loaded."""
    run = open_run(run_dir, options.checkpoint, options.trust_run_code).with_thresholds(options.thresholds)
    chains = _chains(run, options, _ions_of(run, options))
    device = choose_device(options.device)
    ensemble = Ensemble(run, device)
    check_use_of_alignments(ensemble.pipeline, options.msa_dir is not None)
    trained = training_sequences(run.stored.oof())
    baselines = RunBaselines(ensemble)
    results = [_ion(ensemble, baselines, read, ion, trained, options, advance) for ion, read in chains.items()]
    warnings = [*run.warnings, *(line for result in results for line in result.overlap.warnings(result.ion))]
    for warning in warnings:
        log.warning("%s", warning)
    return Evaluation(run, results, warnings, options.resamples, options.seed)


def _ions_of(run: FinishedRun, options: EvaluateOptions) -> list[str]:
    """The ions the data hold: named by --ion, or all where "{ion}" stands in the path. Raises `UserError`."""
    ions = chosen_ions(run, options.ions)
    if options.data is not None and "{ion}" not in str(options.data) and len(ions) > 1:
        raise UserError(
            f"--data {options.data}: the run has the ions {', '.join(ions)}; say with --ion which of them the "
            "labels are of, or write {ion} in the path"
        )
    return ions


_COLUMNS = ("protein", "residue_index", "amino_acid", "ion", "label", "probability", "fold")


def _chains(run: FinishedRun, options: EvaluateOptions, ions: Sequence[str]) -> dict[str, Sequence[ResidueRecord]]:
    """The chains of each ion. Raises `DataError` with the problems of all files."""
    chains = read_ions(_reader(run, options), ions, "test")
    for ion, records in chains.items():
        check_ids(ion, records)
        if not records:
            raise DataError(f"{ion}: there are no chains to evaluate")
    return chains


def _reader(run: FinishedRun, options: EvaluateOptions) -> GuardedReader:
    """The run's own reader, with `test` and `msa_dir` set. Raises `UserError` where it has no such options."""
    chosen = run.spec.data
    table = chosen.options.model_dump(mode="json")
    fields = type(chosen.options).model_fields
    if options.data is None and getattr(chosen.options, "test", None) is None:
        raise UserError("name the test data: --data FILE (the run's spec names none)")
    wanted: dict[str, Path | None] = {} if options.data is None else {"test": options.data}
    if options.msa_dir is not None or "msa_dir" in fields:
        wanted["msa_dir"] = options.msa_dir
    if unknown := [name for name in wanted if name not in fields]:
        raise UserError(
            f"the run's reader, data.{chosen.label}, has no option {unknown[0]!r} to read test data with"
        )
    values = {name: None if path is None else str(path.absolute()) for name, path in wanted.items()}
    try:
        valid = type(chosen.options).model_validate({**table, **values}, context={"base_dir": Path.cwd()})
    except ValidationError as error:
        raise UserError(f"data.{chosen.label}: {error.errors()[0]['msg']}") from error
    return GuardedReader(replace(chosen, options=valid))


def _ion(
    ensemble: Ensemble,
    baselines: RunBaselines,
    records: Sequence[ResidueRecord],
    ion: str,
    trained: dict[str, str],
    options: EvaluateOptions,
    advance: Advance,
) -> IonResult:
    predictions = []
    for prediction in predict_stream(ensemble, records, _stop, options.max_tokens):
        predictions.append(prediction)
        advance(len(prediction.record))
    run, metrics = ensemble.run, ensemble.pipeline.metrics
    threshold = run.thresholds[ion]
    inputs = labelled(predictions, ion, threshold)
    return IonResult(
        ion=ion,
        threshold=threshold,
        predictions=predictions,
        metrics=intervals(metrics, inputs, options.resamples, options.seed),
        counts=confusion_at(inputs.probabilities, inputs.labels, threshold),
        per_protein=[_protein_row(prediction, ion, threshold, metrics) for prediction in predictions],
        overlap=overlap(records, trained),
        calibrated=_calibrated(run, inputs, ion),
        judged=baselines.on(records, ion, inputs, options.resamples, options.seed),
    )


def _stop(record: ResidueRecord, message: str) -> None:
    raise DataError(f"{record.id}: {message}")


def labelled(predictions: Sequence[Prediction], ion: str, threshold: float) -> MetricInputs:
    """The residues with a known label of all chains; chains without one have no place in the protein index."""
    known = [(p, p.record.labels[ion] >= 0) for p in predictions]
    known = [(p, k) for p, k in known if k.any()]
    return MetricInputs(
        probabilities=np.concatenate([np.empty(0), *(p.mean(ion)[k] for p, k in known)]),
        labels=np.concatenate([np.empty(0, np.int8), *(p.record.labels[ion][k] for p, k in known)]),
        protein=np.repeat(np.arange(len(known)), [int(k.sum()) for _, k in known]),
        threshold=threshold,
    )


def _protein_row(
    prediction: Prediction, ion: str, threshold: float, metrics: Mapping[str, Metric]
) -> dict[str, Any]:
    """Counts and metrics of one chain; a metric that is undefined for it is NaN."""
    inputs = labelled([prediction], ion, threshold)
    counts = confusion_at(inputs.probabilities, inputs.labels, threshold)
    return {
        "ion": ion,
        "protein": prediction.record.id,
        "length": len(prediction.record),
        "residues": int(inputs.labels.size),
        "positives": counts.tp + counts.fn,
        "called": counts.calls,
        **asdict(counts),
        **{name: metric(inputs).value for name, metric in metrics.items()},
    }


def _calibrated(run: FinishedRun, inputs: MetricInputs, ion: str) -> dict[str, float] | None:
    if ion not in run.calibrations:
        return None
    after = MetricInputs(run.calibrations[ion].apply(inputs.probabilities), inputs.labels, inputs.protein)
    return {"ece": Ece(EceOptions())(after).value, "brier": Brier(NoOptions())(after).value}


def table_of(evaluation: Evaluation) -> Table:
    """The labelled residues of all ions in columns, for figures."""
    columns: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
    for result in evaluation.ions:
        for prediction in result.predictions:
            length = len(prediction.record)
            columns["protein"].append(np.full(length, prediction.record.id))
            columns["residue_index"].append(np.arange(length))
            columns["amino_acid"].append(np.array(list(prediction.record.sequence)))
            columns["ion"].append(np.full(length, result.ion))
            columns["label"].append(prediction.record.labels[result.ion])
            columns["probability"].append(prediction.mean(result.ion))
            columns["fold"].append(np.zeros(length, dtype=np.int16))
    return {name: np.concatenate(parts) for name, parts in columns.items()}
