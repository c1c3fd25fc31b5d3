"""Whole jobs, joined from the engine and the report: what the command line runs, and a notebook may."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from e1bind.engine import crossval
from e1bind.engine.crossval import Finished
from e1bind.engine.events import Listener
from e1bind.engine.fold_files import FoldResult
from e1bind.engine.oof import Table
from e1bind.engine.rundir import RunDir
from e1bind.metrics.thresholds import Threshold
from e1bind.report.run import draw_fold, draw_run
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
    for result in results:
        draw_fold(run / f"fold_{result.fold}" / "plots", result.rows, table, result.fold, thresholds)
    draw_run(run, table, thresholds)
