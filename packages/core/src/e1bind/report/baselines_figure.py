"""A run and what is had for nothing, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from e1bind.report.style import BLUE, LIGHT, Margins, drawing
from e1bind.runs.schemas import RUN, BaselineFigures, Range


@dataclass(frozen=True)
class Method:
    """AUPRC of the run or of a baseline, and of the run minus it (None for the run itself)."""

    name: str
    auprc: Range
    difference: Range | None = None


def methods(run: Range, baselines: Mapping[str, BaselineFigures]) -> list[Method]:
    """The run, then its baselines, the best first."""
    found = [Method(name, of.auprc, of.difference) for name, of in baselines.items()]
    return [Method(RUN, run), *sorted(found, key=lambda method: -np.nan_to_num(method.auprc.value))]


def plot_baselines(found: Sequence[Method], path: Path) -> None:
    """A bar for each method with its interval; above it name and value, and how far the run is above it."""
    with drawing(path, 1.0 + 0.55 * len(found), margins=Margins(left=0.16)) as figure:
        axes = figure.subplots()
        rows = np.arange(len(found))[::-1]
        values, low, high = np.array([[m.auprc.value, m.auprc.low, m.auprc.high] for m in found]).T
        colours = [BLUE if method.difference is None else LIGHT for method in found]
        axes.barh(rows, np.nan_to_num(values), height=0.4, color=colours)
        axes.hlines(rows, low, high, color="#222222", linewidth=1.4)
        for row, method in zip(rows, found, strict=True):
            text = f"{method.name}: {method.auprc.value:.3f}"
            if method.difference is not None:
                text += f"; run {apart_text(method.difference)}"
            axes.annotate(text, (0, row + 0.25), xytext=(3, 0), textcoords="offset points", fontsize=8.5)
        axes.set_xlim(0, 1)
        axes.set_yticks([])
        axes.set_ylim(-0.4, len(found) - 0.3)
        axes.set_xlabel("AUPRC, 95 % interval over proteins")
        axes.grid(visible=False, axis="y")


def apart_text(difference: Range) -> str:
    """How far the run is above a baseline, with the interval if there is one."""
    value, low, high = difference.value, difference.low, difference.high
    return f"{value:+.3f}" if np.isnan(low) else f"{value:+.3f} ({low:+.3f} to {high:+.3f})"
