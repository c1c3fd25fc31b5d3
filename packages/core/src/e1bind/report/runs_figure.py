"""Runs side by side in one figure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from e1bind.inference.compare import Figure
from e1bind.report.style import GREY, LIGHT, OUT_OF_FOLD, TEST, WIDTH, drawing, panel_grid, shared_legend, shortened

COLUMNS = 2
LABEL = 28
"""Most characters of a run's name."""


def plot_comparison(
    names: Sequence[str],
    metrics: Mapping[str, Sequence[Figure | None]],
    path: Path,
    title: str,
    baselines: Mapping[str, Mapping[str, Sequence[Figure | None]]],
) -> None:
    """A panel for each metric, a row for each run: all folds together, single folds, test chains, best baseline."""
    rows = math.ceil(len(metrics) / COLUMNS)
    y = np.arange(len(names))[::-1]
    with drawing(path, height=1.0 + rows * (0.75 + 0.3 * len(names)), width=1.6 * WIDTH) as figure:
        panels, place = panel_grid(figure, len(metrics), COLUMNS, sharey=True)
        figure.suptitle(title, x=0.01, ha="left", fontsize=10.5)
        for axes, (metric, found) in zip(panels, metrics.items(), strict=True):
            for row, value in zip(y, found, strict=True):
                if value is not None:
                    _draw(axes, row, value)
            for row, best in zip(y, _best(baselines, metric, len(names)), strict=True):
                if math.isfinite(best):
                    axes.plot(best, row, "x", color=GREY, markersize=6, label="best baseline, out-of-fold")
            axes.set_title(metric)
            axes.set_yticks(y, [shortened(name, LABEL) for name in names])
            axes.set_ylim(-0.6, len(names) - 0.4)
            axes.grid(visible=False, axis="y")
            axes.locator_params(axis="x", nbins=5)
        shared_legend(figure, panels, place, columns=2)


def _draw(axes: Axes, row: int, value: Figure) -> None:
    """One run's metric: single folds, then all folds and test chains with their intervals."""
    axes.plot(value.folds, [row] * len(value.folds), "|", color=LIGHT, markersize=11, label="folds")
    axes.plot(value.oof.value, row, linestyle="", label="out-of-fold, all folds; 95 % over proteins", **OUT_OF_FOLD)
    axes.hlines(row, value.oof.low, value.oof.high, color=OUT_OF_FOLD["color"], linewidth=1.8)
    for number, test in enumerate(value.test.values(), 1):
        below = row - 0.14 * number
        axes.plot(test.value, below, linestyle="", label="test", **TEST)
        axes.hlines(below, test.low, test.high, color=TEST["color"], linewidth=1.4)


def _best(baselines: Mapping[str, Mapping[str, Sequence[Figure | None]]], metric: str, runs: int) -> list[float]:
    """For each run the metric of its baseline with the highest AUPRC; NaN without any."""
    found = [math.nan] * runs
    for run in range(runs):
        known = {name: of for name, of in baselines.items() if (own := of.get(metric)) and own[run] is not None}
        if known:
            best = max(known.values(), key=lambda of: _value(of.get("auprc"), run))
            found[run] = _value(best.get(metric), run)
    return found


def _value(row: Sequence[Figure | None] | None, run: int) -> float:
    figure = None if row is None else row[run]
    return -math.inf if figure is None or math.isnan(figure.oof.value) else figure.oof.value
