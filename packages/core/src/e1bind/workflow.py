"""Whole jobs, joined from the engine and the report: what the command line runs, and a notebook may."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from e1bind.engine.crossval import Finished, cross_validate
from e1bind.engine.events import Listener
from e1bind.engine.fold import FoldResult
from e1bind.engine.oof import Table
from e1bind.metrics.thresholds import Threshold
from e1bind.report.run import draw_fold, draw_run
from e1bind.spec import RunSpec


def train(spec: RunSpec, spec_file: Path, listener: Listener | None = None) -> Finished | None:
    """Train all folds of a spec, write the run directory, figures and report; None on ranks but the first."""
    return cross_validate(spec, spec_file, _draw, listener)


def _draw(run: Path, results: Sequence[FoldResult], table: Table, thresholds: Mapping[str, Threshold]) -> None:
    for result in results:
        draw_fold(run / f"fold_{result.fold}" / "plots", result.rows, table, result.fold, thresholds)
    draw_run(run, table, thresholds)
