"""Whole jobs, joined from the engine and the report: what the command line runs, and a notebook may."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from e1bind.data.guarded_reader import GuardedReader
from e1bind.engine import crossval
from e1bind.engine.conclusion import Finished
from e1bind.engine.events import Listener
from e1bind.engine.guards import disk_advice
from e1bind.engine.pipeline import build_losses, build_pipeline, try_trackers
from e1bind.files.text import command, file_part
from e1bind.files.writing import together, told
from e1bind.inference.compare import Comparison
from e1bind.inference.compare import compare as _compare
from e1bind.inference.comparison_tables import write_comparison
from e1bind.inference.evaluate import EvaluateOptions, Evaluation
from e1bind.inference.evaluate import evaluate as _evaluate
from e1bind.inference.evaluation_tables import evaluation_folder, test_name, write_evaluation
from e1bind.inference.predict import Advance
from e1bind.metrics.resampling import RESAMPLES
from e1bind.metrics.thresholds import Threshold
from e1bind.report.evaluation_page import draw_evaluation
from e1bind.report.run import draw_fold, draw_run, redraw
from e1bind.report.rundata import measures
from e1bind.report.runs_figure import plot_comparison
from e1bind.report.style import Format
from e1bind.runs.fold_results import FoldResult
from e1bind.runs.frozen_spec import frozen_spec
from e1bind.runs.layout import opened
from e1bind.runs.lock import locked
from e1bind.runs.oof_table import Table
from e1bind.runs.reader import StoredRun
from e1bind.spec import RunSpec


def try_building(spec: RunSpec) -> str:
    """Build every component of a spec, weights apart, as a run would; the backbone's description.

    Raises `UserError` where one cannot be built, breaks its contract, or does not fit to the others.
    """
    GuardedReader(spec.data)
    build_losses(spec)
    try_trackers(spec)
    pipeline = build_pipeline(spec)
    return pipeline.backbone.description


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
    trusted: bool = False,
) -> Finished | None:
    """Go on with an unfinished run, with the spec frozen in it unless another one is given. Raises `RunError`.

    `trusted`: code that the run brings along may be executed.
    """
    spec = spec or frozen_spec(opened(run), trusted=trusted)
    return crossval.resume(spec, run, _draw, listener or Listener(), force, fold)


def collect(run: Path, trusted: bool = False, listener: Listener | None = None) -> Finished:
    """Put together a run whose folds were trained one by one. Raises `RunError`."""
    return crossval.collect(frozen_spec(opened(run), trusted=trusted), run, _draw, listener or Listener())


def report(run: Path, formats: Sequence[Format] = (), folds: bool = False) -> Path:
    """Draw the figures and the report of a finished run again; the report's path. Raises `RunError`.

    `formats`: what the figures are written as beside PNG; `folds`: those of each fold as well.
    """
    with locked(opened(run).path), disk_advice(run, command("report", run)):
        return redraw(run, formats, folds)


def _draw(
    run: StoredRun,
    results: Sequence[FoldResult],
    table: Table,
    thresholds: Mapping[str, Threshold],
    listener: Listener,
) -> None:
    """Figures and report of the run. Those of folds, most of all, are drawn again where somebody asked for them."""
    total = len(results) + 1
    for done, result in enumerate(results):
        listener.draw(done, total)
        folder = run.files.fold(result.fold)
        with locked(folder.path):
            folder.sweep()
        if folder.plots.is_dir():
            chosen = {ion: threshold.to_dict() for ion, threshold in thresholds.items()}
            draw_fold(folder.plots, result.rows, table, result.fold, chosen, measures(run.resolved))
    listener.draw(len(results), total)
    draw_run(run, table, thresholds)
    listener.draw(total, total)


def evaluate(run: Path, options: EvaluateOptions, advance: Advance = lambda _: None) -> tuple[Evaluation, Path]:
    """Evaluate a finished run on test chains; the result, and the folder of its tables and figures."""
    evaluation = _evaluate(run, options, advance)
    used = evaluation.run
    folder = evaluation_folder(used, options)
    with told(folder.path, "-o"), together():
        write_evaluation(evaluation, folder)
        draw_evaluation(evaluation, folder, test_name(used, options))
    return evaluation, folder.path


def compare(runs: Sequence[Path], folder: Path, resamples: int = RESAMPLES, seed: int = 1) -> Comparison:
    """Put finished runs side by side: tables and a figure for each ion in `folder`. Raises `UserError`."""
    comparison = _compare(runs, resamples, seed)
    with told(folder, "-o"), together():
        write_comparison(comparison, folder)
        for ion, metrics in comparison.figures.items():
            file = folder / f"comparison_{file_part(ion)}.png"
            plot_comparison(comparison.names, metrics, file, f"{ion}, by run", comparison.baselines[ion])
    return comparison
