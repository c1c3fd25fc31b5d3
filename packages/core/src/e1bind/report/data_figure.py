"""Labelled chains as a picture: how long they are, what binds each ion, which ions go together.

Shape legend: I ions, A kinds of residues.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from e1bind.contracts import STANDARD_RESIDUES, ResidueRecord
from e1bind.curation.statistics import Statistics
from e1bind.files.text import one_line
from e1bind.files.writing import told
from e1bind.report.style import drawing, instead_of_data, line_style

_HEIGHT, _ROW, _MOST_BINS = 6.2, 0.26, 30
_SHADE = "Blues"


def draw_data(records: Sequence[ResidueRecord], found: Statistics, path: Path) -> None:
    """Write the figure; `found` counts `records`. Raises `UserError` for a name that is of no kind of figure."""
    ions = list(found.ions)
    with told(path, "--figure"), drawing(path, _HEIGHT + 2 * _ROW * len(ions)) as figure:
        rows = 3 + _ROW * np.array([0, len(ions), len(ions)])
        lengths, letters, pairs = figure.subplots(3, 1, height_ratios=rows.tolist())
        _lengths(lengths, records, ions)
        _letters(letters, found, ions)
        _pairs(pairs, found, ions)


def _lengths(axes: Axes, records: Sequence[ResidueRecord], ions: Sequence[str]) -> None:
    of_ion = {ion: [len(record) for record in records if ion in record.labels] for ion in ions}
    axes.set(title="Chains by length", xlabel="residues", ylabel="chains")
    if not any(of_ion.values()):
        instead_of_data(axes, "no chains")
        return
    edges = np.histogram_bin_edges([n for values in of_ion.values() for n in values], bins=_MOST_BINS)
    for index, (ion, values) in enumerate(of_ion.items()):
        look = line_style(index)
        counts = np.histogram(values, edges)[0]
        axes.stairs(counts, edges, label=one_line(ion), color=look["color"], linestyle=look["linestyle"])
    axes.legend(ncols=max(1, (len(ions) + 5) // 6))


def _letters(axes: Axes, found: Statistics, ions: Sequence[str]) -> None:
    letters = STANDARD_RESIDUES + "X"
    share_IA = np.array(
        [[found.ions[ion].binders.get(letter, 0) for letter in letters] for ion in ions], dtype=float
    )
    total_I = share_IA.sum(1)
    kept_A = share_IA.sum(0) > 0
    axes.set_title("Binding residues by letter, %")
    if not kept_A.any():
        instead_of_data(axes, "no residue binds")
        return
    share_IA = 100 * share_IA[:, kept_A] / np.maximum(total_I, 1)[:, None]
    names = [f"{one_line(ion)} ({total:,.0f})" for ion, total in zip(ions, total_I, strict=True)]
    _heat(axes, share_IA, names, [letter for letter, kept in zip(letters, kept_A, strict=True) if kept])


def _pairs(axes: Axes, found: Statistics, ions: Sequence[str]) -> None:
    chains_II = np.zeros((len(ions), len(ions)))
    for index, ion in enumerate(ions):
        chains_II[index, index] = found.ions[ion].chains
    for (first, second), (chains, _) in found.together.items():
        i, j = ions.index(first), ions.index(second)
        chains_II[i, j] = chains_II[j, i] = chains
    axes.set_title("Chains known for both ions")
    _heat(axes, chains_II, [one_line(ion) for ion in ions], [one_line(ion) for ion in ions], log=True)


def _heat(
    axes: Axes, value_RC: NDArray[np.float64], rows: Sequence[str], columns: Sequence[str], log: bool = False
) -> None:
    """A table whose cells are shaded by their numbers (by the logarithm: `log`), and hold them."""
    shade_RC = np.log1p(value_RC) if log else value_RC
    top = max(float(shade_RC.max()), 1e-9)
    axes.imshow(shade_RC, cmap=_SHADE, vmin=0, vmax=top, aspect="auto")
    axes.grid(visible=False)
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(length=0)
    for (row, column), value in np.ndenumerate(value_RC):
        dark = shade_RC[row, column] > 0.6 * top
        if round(value):
            axes.text(
                column, row, f"{value:.0f}", ha="center", va="center", size=7.5, color="white" if dark else "black"
            )
