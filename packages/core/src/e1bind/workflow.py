"""Whole jobs, joined from the engine and the report: what the command line runs, and a notebook may."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from e1bind.engine import crossval
from e1bind.engine.crossval import Finished
from e1bind.engine.events import Listener
from e1bind.engine.fold_files import FoldResult
from e1bind.engine.oof import Table
from e1bind.engine.rundir import RunDir
from e1bind.inference.compare import Comparison
from e1bind.inference.compare import compare as _compare
from e1bind.inference.comparison_files import write_comparison
from e1bind.inference.evaluate import EvaluateOptions, Evaluation, IonResult, labelled, table_of
from e1bind.inference.evaluate import evaluate as _evaluate
from e1bind.inference.evaluation_files import evaluation_folder, write_evaluation
from e1bind.inference.predict import Advance
from e1bind.inference.stream import Prediction
from e1bind.metrics.curves import Auprc
from e1bind.metrics.options import NoOptions
from e1bind.metrics.thresholds import Threshold
from e1bind.report.comparison import plot_comparison
from e1bind.report.evaluation import Bar, evaluation_figures
from e1bind.report.gallery import file_part
from e1bind.report.run import draw_fold, draw_run
from e1bind.report.rundata import measures_of
from e1bind.spec import RunSpec, read_resolved


def train(
    spec: RunSpec,
    spec_file: Path,
    listener: Listener | None = None,
    run_id: str | None = None,
    fold: int | None = None,
) -> Finished | None:
    """Train all folds of a spec, write the run directory, figures and report; None on ranks but the first.

    With `fold` only that one is trained, into the run `run_id` that other processes may share, and None returned.
    """
    return crossval.cross_validate(spec, spec_file, _draw, listener or Listener(), run_id, fold)


def resume(
    run: Path,
    spec: RunSpec | None = None,
    listener: Listener | None = None,
    force: bool = False,
    fold: int | None = None,
) -> Finished | None:
    """Go on with an unfinished run, with the spec frozen in it unless another one is given. Raises `RunError`."""
    return crossval.resume(spec or read_resolved(run), RunDir(run), _draw, listener or Listener(), force, fold)


def collect(run: Path) -> Finished:
    """Put together a run whose folds were trained one by one. Raises `RunError`."""
    return crossval.collect(read_resolved(run), RunDir(run), _draw)


def _draw(run: Path, results: Sequence[FoldResult], table: Table, thresholds: Mapping[str, Threshold]) -> None:
    measures = measures_of(run)
    for result in results:
        draw_fold(run / f"fold_{result.fold}" / "plots", result.rows, table, result.fold, thresholds, measures)
    draw_run(run, table, thresholds)


def evaluate(run: Path, options: EvaluateOptions, advance: Advance = lambda _: None) -> tuple[Evaluation, Path]:
    """Evaluate a finished run on test chains; the result, and the folder of its tables and figures."""
    evaluation = _evaluate(run, options, advance)
    folder = evaluation_folder(evaluation.run, options)
    write_evaluation(evaluation, folder)
    table, measures = table_of(evaluation), measures_of(evaluation.run.files.path)
    for result in evaluation.ions:
        oof = evaluation.run.summary["oof"][result.ion]["metrics"]
        bars = [
            Bar(name, found.value, found.low, found.high, math.nan if oof.get(name) is None else oof[name])
            for name, found in result.metrics.items()
        ]
        threshold = {"threshold": result.threshold, "method": evaluation.run.spec.metrics.threshold_method}
        calibration = evaluation.run.calibrations.get(result.ion)
        evaluation_figures(table, result.ion, folder, threshold, bars, _examples(result), calibration, measures)
    return evaluation, folder


def _examples(result: IonResult) -> dict[str, str]:
    """The chains with the best, the median and the worst average precision."""
    scored = sorted((a, p.record.id) for p in result.predictions if not math.isnan(a := _auprc(p, result)))
    places = {"best": len(scored) - 1, "median": len(scored) // 2, "worst": 0}
    return {scored[place][1]: rank for rank, place in places.items() if scored}


def _auprc(prediction: Prediction, result: IonResult) -> float:
    return Auprc(NoOptions())(labelled([prediction], result.ion, result.threshold)).value


def compare(runs: Sequence[Path], folder: Path) -> Comparison:
    """Put finished runs side by side: tables and a figure for each ion in `folder`. Raises `UserError`."""
    comparison = _compare(runs)
    write_comparison(comparison, folder)
    for ion, metrics in comparison.figures.items():
        plot_comparison(comparison.names, metrics, folder / f"comparison_{file_part(ion)}.png", f"{ion}, by run")
    return comparison
