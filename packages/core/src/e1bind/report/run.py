"""The figures of a run: at its end, while it is still in memory, and later from its files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from e1bind.metrics.thresholds import Threshold
from e1bind.report.gallery import Picture, ion_pictures, training_pictures
from e1bind.report.run_page import render
from e1bind.report.rundata import Measures, gather, load
from e1bind.report.style import Format, also_as
from e1bind.report.training import Row
from e1bind.runs.lock import locked
from e1bind.runs.oof_table import Table
from e1bind.runs.reader import StoredRun


def draw_fold(
    folder: Path,
    rows: Sequence[Row],
    table: Table,
    fold: int,
    thresholds: Mapping[str, Mapping[str, Any]],
    measures: Measures,
) -> list[Picture]:
    """Draw one fold's training and the predictions of the chains it held out into `folder`.

    `thresholds` by ion, as the run's file has them; `measures`: how the run measures what they show.
    """
    own = [row for row in rows if row["fold"] == fold]
    pictures = training_pictures(own, folder, monitor=None, measures=measures)
    for ion, threshold in thresholds.items():
        pictures += ion_pictures(table, ion, folder, threshold, fold, measures=measures)
    return pictures


def redraw(path: Path, formats: Sequence[Format] = (), folds: bool = False) -> Path:
    """Draw the report of a finished run again, with `folds` the figures of each too; the report's path.

    `formats`: what the figures are written as beside PNG. Raises `RunError`.
    """
    data = load(path)
    with also_as(formats):
        for fold in data.files.folds() if folds else ():
            with locked(fold.path):
                fold.sweep()
            draw_fold(fold.plots, data.rows, data.oof, fold.number, data.thresholds, data.measures)
        return render(data)


def draw_run(run: StoredRun, table: Table, thresholds: Mapping[str, Threshold]) -> Path:
    """Write figures and report of a run whose results are in place; returns the report's path."""
    return render(gather(run, table, {ion: threshold.to_dict() for ion, threshold in thresholds.items()}))
