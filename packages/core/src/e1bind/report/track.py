"""One protein, residue by residue: what the model says against what is known.

Shape legend: L residues.
"""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.path import Path as Path2D
from matplotlib.textpath import TextPath
from matplotlib.ticker import MaxNLocator, MultipleLocator
from matplotlib.transforms import Affine2D
from numpy.typing import ArrayLike, NDArray

from e1bind.report.style import BLUE, GREY, LIGHT, ORANGE, PALE, VERMILION, Margins, drawing, instead_of_data

LETTERED_ROW, LONG_ROW = 60, 200
"""Residues of one row of the figure: with their letters, and of chains too long for that."""
MAX_ROWS = 12
"""Longer chains are cut after this many rows, and the axis says so."""

TOP, BOTTOM = 1.27, -0.24
"""Ends of the axis: room for the triangles above a probability of 1, and for letters below 0."""
LETTER_POINTS = 6.5


def plot_residue_track(
    probabilities: ArrayLike,
    labels: ArrayLike,
    path: Path,
    threshold: float | None = None,
    sequence: str = "",
) -> None:
    """A bar for each residue, numbered from 1; triangles over the binding ones; letters of `sequence` if they fit.

    Bars: blue where a call at the threshold is right, orange where it is wrong, grey where nothing is called; the
    triangle of a binding residue that is missed is red and hollow. `labels` of -1 are unknown: a grey background.
    A call on an unknown residue is neither right nor wrong and stays grey.
    """
    p_L, y_L = np.asarray(probabilities, dtype=np.float64), np.asarray(labels)
    lettered = len(sequence) == p_L.size <= LETTERED_ROW * MAX_ROWS
    long = LETTERED_ROW if lettered else LONG_ROW
    rows = min(MAX_ROWS, math.ceil(p_L.size / long))
    shown = min(p_L.size, rows * long)
    height = 0.95 + (0.95 if lettered else 1.15) * max(rows, 1)
    with drawing(path, height, margins=Margins(left=0.6)) as figure:
        panels = figure.subplots(max(rows, 1), 1, squeeze=False, sharey=True).ravel().tolist()
        if p_L.size == 0:
            return instead_of_data(panels[0], "no residues")
        width = min(long, p_L.size)
        for number, axes in enumerate(panels):
            part = slice(number * long, min((number + 1) * long, shown))
            _row(axes, p_L[part], y_L[part], part.start + 1, width, threshold)
            if lettered:
                _letters(figure, axes, sequence[part], y_L[part], part.start + 1)
        cut = "" if shown == p_L.size else f" (the first {shown:,} of {p_L.size:,})"
        panels[-1].set_xlabel(f"residue{cut}")
        figure.supylabel("probability", fontsize=10)
        figure.legend(handles=_legend(threshold, bool((y_L < 0).any())), loc="outside lower center", ncols=3)


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


def _letters(figure: Figure, axes: Axes, sequence: str, y_L: NDArray[np.integer], first: int) -> None:
    """Each residue's letter under its bar, those of binding ones in blue. One collection of glyphs for the row."""
    glyphs = [_glyph(letter) for letter in sequence]
    places = [(first + index, BOTTOM / 2) for index in range(len(sequence))]
    colors = np.where(y_L == 1, BLUE, GREY).tolist()
    letters = PathCollection(
        glyphs, offsets=places, offset_transform=axes.transData, facecolors=colors, linewidths=0
    )
    letters.set_transform(Affine2D().scale(1 / 72) + figure.dpi_scale_trans)
    axes.add_collection(letters, autolim=False)
    axes.set_ylim(BOTTOM, TOP)
    axes.xaxis.set_major_locator(MultipleLocator(10))


@cache
def _glyph(letter: str) -> Path2D:
    """A letter's outline in points; its middle, and half the height of a capital, at 0."""
    font = FontProperties(family="monospace")
    outline = TextPath((0, 0), letter, size=LETTER_POINTS, prop=font)
    box = outline.get_extents()
    capital = TextPath((0, 0), "X", size=LETTER_POINTS, prop=font).get_extents()
    return outline.transformed(Affine2D().translate(-(box.x0 + box.x1) / 2, -capital.y1 / 2))


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
