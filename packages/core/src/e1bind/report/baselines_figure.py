"""A run and what is had for nothing, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from e1bind.report.style import BLUE, GREY, LIGHT, drawing
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


def plot_baselines(found: Sequence[Method], path: Path, title: str) -> None:
    """A bar for each method with its interval, and in words how far the run is above it."""
    with drawing(path, height=1.0 + 0.42 * len(found)) as figure:
        axes = figure.subplots()
        rows = np.arange(len(found))[::-1]
        values, low, high = np.array([[m.auprc.value, m.auprc.low, m.auprc.high] for m in found]).T
        colours = [BLUE if method.difference is None else LIGHT for method in found]
        axes.barh(rows, np.nan_to_num(values), height=0.62, color=colours)
        axes.hlines(rows, low, high, color="#222222", linewidth=1.4)
        end = max(1e-9, float(np.nanmax(np.concatenate([values, high, [0.0]]))))
        for row, method in zip(rows, found, strict=True):
            at = np.nanmax([method.auprc.value, method.auprc.high, 0.0])
            text, colour = f"{method.auprc.value:.3f}", BLUE
            if method.difference is not None:
                text, colour = f"{text}   run {_apart(method.difference)}", GREY
            axes.text(at + 0.02 * end, row, text, va="center", fontsize=8, color=colour)
        axes.set_xlim(0, 1.62 * end)
        axes.set_yticks(rows, [method.name for method in found])
        axes.set_ylim(-0.6, len(found) - 0.4)
        axes.set_xlabel("AUPRC, 95 % interval over proteins")
        axes.set_title(title)
        axes.grid(visible=False, axis="y")


def _apart(difference: Range) -> str:
    """How far the run is above a baseline."""
    value, low, high = difference.value, difference.low, difference.high
    return f"{value:+.3f}" if np.isnan(low) else f"{value:+.3f} ({low:+.3f} to {high:+.3f})"
