"""Figures of the probabilities: reliability diagram, threshold curve, histogram by class.

Shape legend: N scored residues.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import ArrayLike

from e1bind.metrics.base import as_scored, why_undefined
from e1bind.metrics.reliability import reliability_bins
from e1bind.metrics.thresholds import threshold_curve
from e1bind.report.style import (
    BLACK,
    BLUE,
    DASHES,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SERIES,
    VERMILION,
    drawing,
    instead_of_data,
    legend_below,
)

_MARKERS = "osD^v"


def plot_reliability(series: Mapping[str, tuple[ArrayLike, ArrayLike]], path: Path, bins: int = 15) -> None:
    """Observed share of binding residues against the mean probability of each bin, over a histogram.

    `series` maps a name ("as predicted", "after calibration") to probabilities [N] in [0, 1] and labels [N].
    """
    with drawing(path, height=4.7) as figure:
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        top.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1.3, label="calibrated")
        for index, (name, (probabilities, labels)) in enumerate(series.items()):
            if np.size(labels) == 0:
                continue
            found = reliability_bins(probabilities, labels, bins)
            filled = found.counts > 0
            style = {"color": SERIES[index % len(SERIES)], "linestyle": DASHES[index % len(DASHES)]}
            marker = _MARKERS[index % len(_MARKERS)]
            label = f"{name}, ECE {found.ece():.3f}"
            top.plot(found.predicted[filled], found.observed[filled], marker=marker, label=label, **style)
            bottom.stairs(found.counts, found.edges, baseline=None, linewidth=1.5, **style)
        top.set(ylabel="observed share", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        bottom.set(xlabel="mean probability of the bin", ylabel="residues", yscale="log")
        _decades(bottom)
        legend_below(figure, top, columns=1)


def plot_threshold_curve(
    probabilities: ArrayLike, labels: ArrayLike, path: Path, threshold: float | None = None, method: str = ""
) -> None:
    """Precision, recall, F1, MCC and Youden's J against the threshold, with the chosen one marked."""
    probabilities_N, labels_N = as_scored(probabilities, labels)
    with drawing(path, height=3.9) as figure:
        axes = figure.subplots()
        if reason := why_undefined(probabilities_N, labels_N):
            return instead_of_data(axes, f"no threshold curve: {reason}")
        low, high = float(probabilities_N.min()), float(probabilities_N.max())
        thresholds = np.linspace(low, high, 400)
        curves = threshold_curve(probabilities_N, labels_N, thresholds)
        styles = {
            "precision": (BLUE, "-"),
            "recall": (ORANGE, "-"),
            "f1": (GREEN, "--"),
            "mcc": (PURPLE, "-."),
            "youden": (BLACK, ":"),
        }
        names = {"f1": "F1", "mcc": "MCC", "youden": "Youden's J"}
        for name, (color, linestyle) in styles.items():
            axes.plot(thresholds, curves[name], color=color, linestyle=linestyle, label=names.get(name, name))
        _mark(axes, threshold, f"threshold {threshold:.3g} ({method})" if threshold is not None else "")
        axes.set(xlabel="threshold on the probability", ylabel="value", ylim=(min(-0.02, *_lows(curves)), 1.02))
        legend_below(figure, axes, columns=3)


def _lows(curves: Mapping[str, np.ndarray]) -> list[float]:
    return [float(np.nanmin(curve)) - 0.02 for curve in curves.values()]


def plot_score_histogram(
    probabilities: ArrayLike, labels: ArrayLike, path: Path, threshold: float | None = None
) -> None:
    """How many residues of each class get which probability; counts on a logarithmic axis."""
    probabilities_N, labels_N = as_scored(probabilities, labels)
    with drawing(path, height=3.3) as figure:
        axes = figure.subplots()
        if probabilities_N.size == 0 or not np.isfinite(probabilities_N).all():
            return instead_of_data(axes, "no histogram: there are no residues with finite probabilities")
        edges = np.linspace(0, 1, 41)
        for value, name, color, hatch in ((0, "not binding", GREY, None), (1, "binding", VERMILION, "///")):
            chosen = probabilities_N[labels_N == value]
            counts, _ = np.histogram(chosen, edges)
            axes.stairs(
                counts,
                edges,
                fill=True,
                facecolor=(*_rgb(color), 0.35),
                edgecolor=color,
                hatch=hatch,
                linewidth=1.2,
                label=f"{name} ({chosen.size:,})",
            )
        axes.set(xlabel="probability", ylabel="residues", yscale="log", xlim=(-0.02, 1.02), ylim=(0.7, None))
        _decades(axes)
        _mark(axes, threshold, f"threshold {threshold:.3g}" if threshold is not None else "")
        legend_below(figure, axes, columns=2)


def _rgb(color: str) -> tuple[float, float, float]:
    red, green, blue = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue


def _mark(axes: Axes, threshold: float | None, label: str) -> None:
    if threshold is not None:
        axes.axvline(threshold, color=VERMILION, linewidth=1.3, linestyle=(0, (6, 2)), label=label)


def _decades(axes: Axes) -> None:
    axes.yaxis.set_major_locator(LogLocator(base=10, numticks=6))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
