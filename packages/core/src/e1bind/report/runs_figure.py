"""Runs side by side in one figure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from e1bind.inference.compare import Figure
from e1bind.report.style import BLUE, GREY, LIGHT, ORANGE, WIDTH, drawing, legend_below

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
        panels = figure.subplots(rows, COLUMNS, squeeze=False, sharey=True)
        figure.suptitle(title, x=0.01, ha="left", fontsize=10.5)
        for axes, (metric, found) in zip(panels.ravel(), metrics.items(), strict=False):
            for row, value in zip(y, found, strict=True):
                if value is None:
                    continue
                axes.plot(value.folds, [row] * len(value.folds), "|", color=LIGHT, markersize=11, label="folds")
                axes.plot(value.oof, row, "o", color=BLUE, markersize=6, label="out-of-fold, all folds")
                test = list(value.test.values())
                axes.plot(test, [row] * len(test), "D", color=ORANGE, fillstyle="none", markersize=6, label="test")
            for row, best in zip(y, _best(baselines, metric, len(names)), strict=True):
                if math.isfinite(best):
                    axes.plot(best, row, "x", color=GREY, markersize=6, label="best baseline, out-of-fold")
            axes.set_title(metric)
            axes.set_yticks(y, [name if len(name) <= LABEL else name[: LABEL - 1] + "…" for name in names])
            axes.set_ylim(-0.6, len(names) - 0.4)
            axes.grid(visible=False, axis="y")
            axes.locator_params(axis="x", nbins=5)
        for axes in panels.ravel()[len(metrics) :]:
            axes.set_visible(False)
        first = panels.ravel()[0]
        seen: set[str] = set()
        for line in first.lines:
            if line.get_label() in seen or not len(line.get_xdata()):
                line.set_label("_")
            seen.add(str(line.get_label()))
        legend_below(figure, first, columns=3)


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
    return -math.inf if figure is None or math.isnan(figure.oof) else figure.oof
