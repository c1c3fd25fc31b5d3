"""Figures of an evaluation on test chains: metrics with their intervals, curves, and some chains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from e1bind.files.text import file_part
from e1bind.metrics.probability_maps import ProbabilityMap
from e1bind.report.gallery import ion_pictures, of_ion
from e1bind.report.probabilities import plot_reliability
from e1bind.report.rundata import Measures
from e1bind.report.style import GREY, OUT_OF_FOLD, TEST, drawing, legend_below
from e1bind.report.track import plot_residue_track
from e1bind.runs.oof_table import Table


@dataclass(frozen=True)
class Bar:
    """One metric: its value on the test chains, the interval, and the out-of-fold value; NaN where undefined."""

    name: str
    value: float
    low: float
    high: float
    oof: float


def plot_intervals(bars: Sequence[Bar], path: Path, title: str) -> None:
    """Each metric with its 95 % interval, and the out-of-fold value of the same run."""
    with drawing(path, height=1.3 + 0.34 * len(bars)) as figure:
        axes = figure.subplots()
        rows = np.arange(len(bars))[::-1]
        value, low, high, oof = (
            np.array([getattr(bar, n) for bar in bars]) for n in ("value", "low", "high", "oof")
        )
        axes.hlines(rows, low, high, color=TEST["color"], linewidth=2.2, label="95 % interval over proteins")
        axes.plot(value, rows, linestyle="", label="test chains", **TEST)
        axes.plot(oof, rows, linestyle="", label="out-of-fold, training chains", **OUT_OF_FOLD)
        for row, bar in zip(rows, bars, strict=True):
            if np.isnan(bar.value):
                axes.text(0.01, row, "undefined", color=GREY, va="center", transform=axes.get_yaxis_transform())
        axes.set_yticks(rows, [bar.name for bar in bars])
        axes.set_ylim(-0.6, len(bars) - 0.4)
        axes.set_title(title)
        axes.grid(visible=False, axis="y")
        legend_below(figure, axes, columns=2)


def evaluation_figures(
    table: Table,
    ion: str,
    folder: Path,
    threshold: Mapping[str, Any],
    bars: Sequence[Bar],
    examples: Mapping[str, str],
    calibration: ProbabilityMap | None,
    measures: Measures,
) -> list[Path]:
    """Draw everything of one ion into `folder`; `examples` maps a protein to what it is an example of.

    `measures`: how the run measures what they show.
    """
    value = float(threshold["threshold"])
    files = [folder / f"metrics_{file_part(ion)}.png"]
    plot_intervals(bars, files[0], f"{ion}, test chains")
    files += [p.file for p in ion_pictures(table, ion, folder, threshold, fold=0, measures=measures)]
    if calibration is not None:
        rows = of_ion(table, ion)
        series = {
            "as predicted": (rows["probability"], rows["label"]),
            "calibrated on out-of-fold predictions": (calibration.apply(rows["probability"]), rows["label"]),
        }
        plot_reliability(series, folder / f"reliability_{file_part(ion)}.png", measures.bins)
    for protein in examples:
        keep = (table["ion"] == ion) & (table["protein"] == protein)
        file = folder / f"track_{file_part(ion)}_{file_part(protein)}.png"
        sequence = "".join(table["amino_acid"][keep])
        plot_residue_track(table["probability"][keep], table["label"][keep], file, value, sequence)
        files.append(file)
    return files
