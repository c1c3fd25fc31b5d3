"""The figures of a run while it is still in memory: called by the engine at the end of folds and run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from e1bind.metrics.thresholds import Threshold
from e1bind.report.gallery import Picture, ion_pictures, training_pictures
from e1bind.report.html import render
from e1bind.report.rundata import Measures, gather
from e1bind.report.training import Row
from e1bind.runs.oof_table import Table
from e1bind.runs.reader import StoredRun


def draw_fold(
    folder: Path,
    rows: Sequence[Row],
    table: Table,
    fold: int,
    thresholds: Mapping[str, Threshold],
    measures: Measures,
) -> list[Picture]:
    """Draw one fold's training and the predictions of the chains it held out into `folder`.

    `measures`: how the run measures what they show.
    """
    pictures = training_pictures(
        [row for row in rows if row["fold"] == fold], folder, monitor=None, measures=measures
    )
    for ion, threshold in thresholds.items():
        pictures += ion_pictures(table, ion, folder, threshold.to_dict(), fold, measures=measures)
    return pictures


def draw_run(run: StoredRun, table: Table, thresholds: Mapping[str, Threshold]) -> Path:
    """Write figures and report of a run whose results are in place; returns the report's path."""
    return render(gather(run, table, {ion: threshold.to_dict() for ion, threshold in thresholds.items()}))
