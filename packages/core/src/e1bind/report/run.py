"""The figures of a run while it is still in memory: called by the engine at the end of folds and run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from e1bind.engine.oof import Table
from e1bind.metrics.thresholds import Threshold
from e1bind.report.gallery import Picture, ion_pictures, training_pictures
from e1bind.report.html import render
from e1bind.report.rundata import Measures, read_run
from e1bind.report.training import Row


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
    pictures = training_pictures([row for row in rows if row["fold"] == fold], folder, monitor=None)
    for ion, threshold in thresholds.items():
        pictures += ion_pictures(table, ion, folder, threshold.to_dict(), fold, measures=measures)
    return pictures


def draw_run(run_dir: Path, table: Table, thresholds: Mapping[str, Threshold]) -> Path:
    """Write `plots/` and `report.html` of a run whose summary is in place; returns the report's path."""
    in_memory = {ion: threshold.to_dict() for ion, threshold in thresholds.items()}
    return render(replace(read_run(run_dir), oof=table, thresholds=in_memory))
