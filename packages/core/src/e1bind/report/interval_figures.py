"""Metrics on test chains with their intervals, beside those out of fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from e1bind.report.style import GREY, OUT_OF_FOLD, TEST, Margins, drawing, legend_below


@dataclass(frozen=True)
class Bar:
    """One metric: its value on the test chains, the interval, and the out-of-fold value; NaN where undefined."""

    name: str
    value: float
    low: float
    high: float
    oof: float


def plot_intervals(bars: Sequence[Bar], path: Path) -> None:
    """Each metric with its 95 % interval, and the out-of-fold value of the same run."""
    longest = max(len(bar.name) for bar in bars)
    with drawing(path, 1.3 + 0.34 * len(bars), margins=Margins(left=0.25 + 0.075 * longest)) as figure:
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
        axes.grid(visible=False, axis="y")
        legend_below(figure, axes, columns=2)
