"""One protein, residue by residue: what the model says against what is known.

Shape legend: L residues.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from e1bind.report.style import BLUE, GREY, LIGHT, ORANGE, PALE, VERMILION, drawing, instead_of_data

ROW = 200
"""Residues of one row of the figure."""
MAX_ROWS = 12
"""Longer chains are cut after this many rows, and the title says so."""

TOP = 1.27
"""Upper end of the axis: room for the triangles above a probability of 1."""


def plot_residue_track(
    probabilities: ArrayLike, labels: ArrayLike, path: Path, title: str, threshold: float | None = None
) -> None:
    """A bar for each residue, numbered from 1; triangles over the binding ones.

    Bars: blue where a call at the threshold is right, orange where it is wrong, grey where nothing is called; the
    triangle of a binding residue that is missed is red and hollow. `labels` of -1 are unknown: a grey background.
    A call on an unknown residue is neither right nor wrong and stays grey.
    """
    p_L, y_L = np.asarray(probabilities, dtype=np.float64), np.asarray(labels)
    rows = min(MAX_ROWS, math.ceil(p_L.size / ROW))
    shown = min(p_L.size, rows * ROW)
    with drawing(path, height=0.95 + 1.15 * max(rows, 1)) as figure:
        panels = figure.subplots(max(rows, 1), 1, squeeze=False, sharey=True).ravel().tolist()
        if p_L.size == 0:
            return instead_of_data(panels[0], f"{title}: no residues")
        width = min(ROW, p_L.size)
        for number, axes in enumerate(panels):
            start = number * ROW
            part = slice(start, min(start + ROW, shown))
            _row(axes, p_L[part], y_L[part], start + 1, width, threshold)
        cut = "" if shown == p_L.size else f" (first {shown} of {p_L.size} residues)"
        panels[0].set_title(_shortened(title) + cut)
        panels[-1].set_xlabel("residue")
        figure.supylabel("probability", fontsize=10)
        figure.legend(handles=_legend(threshold, bool((y_L < 0).any())), loc="outside lower center", ncols=3)


def _shortened(title: str, most: int = 58) -> str:
    return title if len(title) <= most else title[: most - 1] + "…"


def _row(
    axes: Axes,
    p_L: NDArray[np.float64],
    y_L: NDArray[np.integer],
    first: int,
    width: int,
    threshold: float | None,
) -> None:
    x_L = np.arange(first, first + p_L.size)
    called_L = p_L >= threshold if threshold is not None else np.zeros(p_L.size, dtype=bool)
    binds_L = y_L == 1
    colors = np.where(called_L & binds_L, BLUE, np.where(called_L & (y_L == 0), ORANGE, GREY))
    # One collection each: an artist for every residue takes seconds to draw.
    axes.vlines(x_L, 0, p_L, colors=colors.tolist(), linewidth=min(3.0, 280 / width), capstyle="butt")
    axes.broken_barh([(x - 0.5, 1) for x in x_L[y_L < 0]], (0, TOP), color=PALE, linewidth=0, zorder=0)
    missed_L = binds_L & ~called_L if threshold is not None else np.zeros(p_L.size, dtype=bool)
    found, missed = x_L[binds_L & ~missed_L], x_L[missed_L]
    axes.plot(found, np.full(found.size, 1.13), "v", color=BLUE, markersize=5)
    axes.plot(missed, np.full(missed.size, 1.13), "v", color=VERMILION, markersize=5, fillstyle="none")
    if threshold is not None:
        axes.axhline(threshold, color=VERMILION, linewidth=0.9, linestyle=(0, (6, 2)))
    axes.set(xlim=(first - 1, first + width), ylim=(0, TOP), yticks=(0, 0.5, 1))
    axes.grid(visible=False, axis="x")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))


def _legend(threshold: float | None, unknown: bool) -> list[Line2D | Patch]:
    filled: dict[str, Any] = {"marker": "v", "linestyle": "", "color": BLUE, "markersize": 5}
    hollow = {**filled, "color": VERMILION, "fillstyle": "none"}
    grey = Patch(color=GREY, label="not called")
    handles: list[Line2D | Patch]
    if threshold is None:
        handles = [Line2D([], [], label="binding", **filled)]
    else:
        handles = [
            Line2D([], [], label="binding, called", **filled),
            Patch(color=BLUE, label="right call"),
            Line2D([], [], label="binding, missed", **hollow),
            Patch(color=ORANGE, label="wrong call"),
            Line2D([], [], color=VERMILION, linewidth=0.9, linestyle=(0, (6, 2)), label="threshold"),
            grey,
        ]
    if unknown:
        handles.append(Patch(facecolor=PALE, edgecolor=LIGHT, label="unknown"))
    return handles
