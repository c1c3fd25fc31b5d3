"""How every figure looks, and how it gets to disk: Agg only, no pyplot, no global state left behind.

Colours are Okabe and Ito's, told apart with any kind of colour blindness; lines differ in dash as well. Figures are
small (4.6 inches wide) so that their text is still readable where a phone shrinks them to its width.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from e1bind.errors import UserError
from e1bind.files.writing import atomic_write

BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
GREY, LIGHT, PALE = "#767676", "#B5B5B5", "#F0F0F0"
SERIES = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK, GREY)
DASHES = ("-", "--", "-.", ":")
PACKING = 3
"""How hard a PNG is packed, of 9: half the time of 6, which others take, for a file larger by a twelfth."""
FORMATS: dict[str, dict[str, Any]] = {
    ".png": {"metadata": {"Software": None}, "pil_kwargs": {"compress_level": PACKING}},
    ".svg": {"metadata": {"Date": None}},
    ".pdf": {"metadata": {"CreationDate": None}},
}
"""Endings of figures and how each is written; what is left out makes equal data give equal bytes."""
Format = Literal["svg", "pdf"]
_ALSO: ContextVar[Sequence[Format]] = ContextVar("_ALSO", default=())
WIDTH = 4.6
"""Inches of a figure's width."""

OUT_OF_FOLD: dict[str, Any] = {"marker": "o", "color": BLUE, "markersize": 6}
TEST: dict[str, Any] = {"marker": "D", "color": ORANGE, "markersize": 6, "fillstyle": "none"}
"""Marks of figures out of fold and on test chains, the same in every picture."""

_STYLE = {
    "axes.edgecolor": "#444444",
    "axes.grid": True,
    "axes.labelsize": 10,
    "axes.prop_cycle": "cycler('color', ['#0072B2'])",
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10.5,
    "axes.titley": 1.0,  # always over the axes: or else every tick is measured for it
    "figure.dpi": 100,
    "font.size": 10,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "savefig.dpi": 200,
    "svg.hashsalt": "e1bind",
    # Names come from data files: a "$" in one is a dollar, not mathematics.
    "text.parse_math": False,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
}


def line_style(index: int) -> dict[str, str]:
    """Colour and dash of the `index`-th series; 32 differ."""
    return {
        "color": SERIES[index % len(SERIES)],
        "linestyle": DASHES[index // len(SERIES) % len(DASHES)],
    }


@dataclass(frozen=True)
class Margins:
    """Inches around the axes of a figure, and between their rows and columns; titles and legends have their own.

    Fixed, because a layout that measures every label takes as long as drawing.
    """

    left: float = 0.66
    rows: float = 0.3
    columns: float = 0.6
    right: float = 0.14
    top: float = 0.12
    bottom: float = 0.52


TITLE = 0.26
"""Inches that a title takes above its axes."""


@contextmanager
def drawing(path: Path, height: float, width: float = WIDTH, margins: Margins | None = None) -> Iterator[Figure]:
    """A figure of `width` x `height` inches that is written to `path` at the end, whole or not at all.

    It is a PNG, an SVG or a PDF by its name; any other ending is a `UserError`. Within `also_as` further formats
    stand beside it. A user's own matplotlib settings have no effect, and equal data give equal bytes. Without
    `margins` room is made for whatever labels there are, which takes twice the time.
    """
    if path.suffix.lower() not in FORMATS:
        raise UserError(f"{path}: a figure ends in {', '.join(FORMATS)}; name it so")
    with matplotlib.style.context(_STYLE, after_reset=True):
        figure = Figure(figsize=(width, height), layout="constrained" if margins is None else None)
        FigureCanvasAgg(figure)
        yield figure
        if margins is not None:
            _arrange(figure, margins)
        path.parent.mkdir(parents=True, exist_ok=True)
        for place in dict.fromkeys((path, *(path.with_suffix(f".{name}") for name in _ALSO.get()))):
            _save(figure, place)


def _arrange(figure: Figure, margins: Margins) -> None:
    """Put the axes between the margins, over the legend."""
    legends = [legend.get_window_extent().height / figure.dpi for legend in figure.legends]
    titled = TITLE if any(axes.get_title(loc="left") for axes in figure.axes) else 0.0
    grid = figure.axes[0].get_gridspec()
    if grid is None:
        raise ValueError("axes that stand in no grid have no margins")
    width, height = figure.get_size_inches()
    bottom, top = margins.bottom + sum(legends), margins.top + titled
    across = (width - margins.left - margins.right + margins.columns) / grid.ncols - margins.columns
    between = margins.rows + titled
    down = (height - top - bottom + between) / grid.nrows - between
    figure.subplots_adjust(
        left=margins.left / width,
        right=1 - margins.right / width,
        bottom=bottom / height,
        top=1 - top / height,
        wspace=margins.columns / across,
        hspace=between / down,
    )


def _save(figure: Figure, path: Path) -> None:
    ending = path.suffix.lower()
    atomic_write(path, lambda file: figure.savefig(file, format=ending[1:], **FORMATS[ending]))


@contextmanager
def also_as(formats: Sequence[Format]) -> Iterator[None]:
    """Figures drawn within are written in these formats too, beside the one they are named after."""
    before = _ALSO.set(formats)
    try:
        yield
    finally:
        _ALSO.reset(before)


def panel_grid(figure: Figure, panels: int, columns: int = 2, **shared: Any) -> tuple[list[Axes], Axes | None]:
    """So many axes, `columns` in a row; and the first empty place of the last row, if any, for a legend."""
    rows = -(-panels // columns)
    grid = figure.subplots(rows, min(columns, panels), squeeze=False, **shared).ravel().tolist()
    for axes in grid[panels:]:
        axes.set_axis_off()
    return grid[:panels], (grid[panels] if len(grid) > panels else None)


def shared_legend(figure: Figure, panels: Iterable[Axes], place: Axes | None, columns: int) -> None:
    """One legend of all panels, each label once: in the empty place of a grid, or else below."""
    lines = {name: line for axes in panels for line, name in zip(*axes.get_legend_handles_labels(), strict=True)}
    if lines and place is not None:
        place.legend(list(lines.values()), list(lines), loc="center")
    elif lines:
        figure.legend(list(lines.values()), list(lines), loc="outside lower center", ncols=columns)


def shortened(text: str, most: int) -> str:
    """`text` in at most so many characters: names of runs and chains differ at their ends."""
    if len(text) <= most:
        return text
    tail = (most - 1) // 2
    return f"{text[: most - 1 - tail]}…{text[-tail:]}"


def legend_below(figure: Figure, axes: Axes, columns: int) -> None:
    """A legend under all axes, where it can cover no data."""
    shared_legend(figure, [axes], None, columns)


def instead_of_data(axes: Axes, reason: str) -> None:
    """Say in the axes why there is nothing to draw."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, reason, ha="center", va="center", wrap=True, color=GREY, transform=axes.transAxes)
