"""Runs side by side in one figure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from e1bind.inference.compare import Figure
from e1bind.report.style import BLUE, LIGHT, ORANGE, WIDTH, drawing, legend_below

COLUMNS = 2
LABEL = 28
"""Most characters of a run's name."""


def plot_comparison(
    names: Sequence[str], metrics: Mapping[str, Sequence[Figure | None]], path: Path, title: str
) -> None:
    """A panel for each metric, a row for each run: all folds together, single folds, and test chains."""
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
