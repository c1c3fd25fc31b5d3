"""A run put together from its finished folds: predictions, thresholds, calibration, figures; the summary last."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from e1bind.contracts import ResidueRecord
from e1bind.data.fold_plan import FoldPlan
from e1bind.engine.events import Listener
from e1bind.engine.fit_calibration import fit_maps
from e1bind.engine.outcome import build_summary
from e1bind.engine.pipeline import Pipeline
from e1bind.errors import RunError
from e1bind.files.text import command
from e1bind.log import log
from e1bind.metrics.thresholds import Threshold, choose_threshold
from e1bind.runs.baseline_files import FoldBaseline, read_baselines
from e1bind.runs.continuing import Continuation, read_begun
from e1bind.runs.decision_files import write_calibration, write_thresholds
from e1bind.runs.fold_results import FoldResult, join_rows, read_fold
from e1bind.runs.frozen_spec import frozen_table
from e1bind.runs.layout import RunDir
from e1bind.runs.oof_table import Table, oof_table, rows_of, write_oof
from e1bind.runs.reader import StoredRun, check_whole
from e1bind.runs.schemas import Summary
from e1bind.runs.summary_file import as_summary, read_summary, write_summary
from e1bind.spec import RunSpec


@dataclass(frozen=True)
class Finished:
    """A whole run: its folder and its summary."""

    run: RunDir
    summary: Summary


class Draw(Protocol):
    """Makes the figures and the report of a run whose results are in place, and whose summary is not."""

    def __call__(
        self,
        run: StoredRun,
        results: Sequence[FoldResult],
        table: Table,
        thresholds: Mapping[str, Threshold],
        listener: Listener,
    ) -> None: ...


def conclude(
    pipeline: Pipeline,
    plan: FoldPlan,
    records: Sequence[ResidueRecord],
    going_on: Continuation,
    draw: Draw,
    listener: Listener,
) -> Finished:
    """Write all that is made of the folds, and tell the listener. Raises `RunError`.

    Until the new summary is written the old one stands, if there is one; the same folds give the same files.
    """
    run, ions = going_on.run, pipeline.spec.training.ions
    results = _results(run, plan, going_on.trained_with)
    run.sweep()
    scores = {ion: {result.fold: result.scores[ion] for result in results} for ion in ions}
    table = oof_table(records, plan.fold_of, scores)
    thresholds = choose_thresholds(pipeline.spec, table)
    maps = fit_maps(table, ions, pipeline.calibrator, [m.metric for m in pipeline.metrics.values()])
    baselines = _baselines(run, pipeline, results)
    figures = build_summary(pipeline, plan, records, results, table, thresholds, baselines, run.run_id)
    going_on.commit()
    join_rows(run)
    write_oof(run.oof, table)
    write_thresholds(run, thresholds)
    write_calibration(run, maps)
    stored = StoredRun(run, read_begun(run), frozen_table(run), as_summary(figures, run), pipeline.calibrator)
    # Only with the report in place is the run a finished one.
    draw(stored, results, table, thresholds, listener)
    summary = write_summary(run, figures, plan.folds)
    for warning in summary.warnings:
        log.warning("%s", warning)
    listener.concluded(run, summary)
    return Finished(run, summary)


def _results(run: RunDir, plan: FoldPlan, trained_with: set[str]) -> list[FoldResult]:
    """All folds, as they stand on disk."""
    found = {number: read_fold(run.fold(number)) for number in range(1, plan.folds + 1)}
    missing = [str(number) for number, result in found.items() if result is None]
    if missing:
        raise RunError(
            f"{run.path}: fold {', '.join(missing)} of {plan.folds} has not finished; train it "
            f"with: {command('train', '--resume', run.path, '--fold', missing[0])}"
        )
    results = [result for result in found.values() if result is not None]
    for result in results:
        if result.spec is not None and result.spec not in trained_with:
            folder = run.fold(result.fold).path
            raise RunError(
                f"{folder} was trained with another spec than the run's: it is a fold of another run; put the "
                f"run's own back, or train it anew with:\n  {shlex.join(['rm', '-r', str(folder)])} && "
                f"{command('train', '--resume', run.path)}"
            )
    return results


def _baselines(run: RunDir, pipeline: Pipeline, results: Sequence[FoldResult]) -> list[FoldBaseline]:
    """The baselines of all folds; none where a fold has none (begun before there were baselines), which is said."""
    if not pipeline.baselines:
        return []
    found = [read_baselines(run.fold(result.fold)) for result in results]
    missing = [str(result.fold) for result, own in zip(results, found, strict=True) if own is None]
    if missing:
        log.warning("the run is held against no baseline: fold %s has none", ", ".join(missing))
        return []
    return [own for fold in found for own in fold or ()]


def choose_thresholds(spec: RunSpec, table: Table) -> dict[str, Threshold]:
    """One threshold per ion, from out-of-fold probabilities only."""
    thresholds = {}
    for ion in spec.training.ions:
        rows = rows_of(table, ion)
        thresholds[ion] = choose_threshold(rows.probabilities, rows.labels, spec.metrics.threshold_method)
    return thresholds


def finished_before(run: RunDir) -> Summary | None:
    """The summary of a run that was put together before, whether or not it is whole still."""
    try:
        summary = read_summary(run)
    except RunError as error:
        log.warning("%s", error)
        return None
    return summary if summary is not None and summary.finished else None


def whole_before(run: RunDir, folds: int) -> Summary | None:
    """The summary of a finished run all of whose files are in place and unchanged; the log says what is not."""
    summary = finished_before(run)
    if summary is None:
        return None
    try:
        check_whole(run, summary, folds)
    except RunError as error:
        log.warning("%s", error)
        return None
    return summary
