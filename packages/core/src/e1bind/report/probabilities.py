"""Figures of the probabilities: reliability diagram, threshold curve, histogram by class.

Shape legend: N scored residues.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from numpy.typing import ArrayLike, NDArray

from e1bind.metrics.base import as_scored, why_undefined
from e1bind.metrics.reliability import reliability_bins
from e1bind.metrics.thresholds import threshold_curve, threshold_text
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
    Margins,
    drawing,
    instead_of_data,
    legend_below,
)

_MARKERS = "osD^v"
POINTS = 400
LEAST = 1e-7
"""Probabilities this close to 0 or 1 stand at the end of an axis that is spaced by their logit."""


def plot_reliability(series: Mapping[str, tuple[ArrayLike, ArrayLike]], path: Path, bins: int = 15) -> None:
    """Observed share of binding residues against the mean probability of each bin, over a histogram.

    `series` maps a name ("as predicted", "after calibration") to probabilities [N] in [0, 1] and labels [N].
    """
    with drawing(path, height=4.7, margins=Margins(left=0.8, rows=0.12)) as figure:
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
    with drawing(path, height=3.9, margins=Margins()) as figure:
        axes = figure.subplots()
        if reason := why_undefined(probabilities_N, labels_N):
            return instead_of_data(axes, f"no threshold curve: {reason}")
        thresholds = _thresholds(probabilities_N)
        curves = threshold_curve(probabilities_N, labels_N, thresholds)
        where = _logit(thresholds)
        styles = {
            "precision": (BLUE, "-"),
            "recall": (ORANGE, "-"),
            "f1": (GREEN, "--"),
            "mcc": (PURPLE, "-."),
            "youden": (BLACK, ":"),
        }
        names = {"f1": "F1", "mcc": "MCC", "youden": "Youden's J"}
        for name, (color, linestyle) in styles.items():
            axes.plot(where, curves[name], color=color, linestyle=linestyle, label=names.get(name, name))
        if threshold is not None:
            place = float(_logit(np.array([threshold]))[0])
            _mark(axes, place, f"threshold {threshold_text(threshold)} ({method})")
        ticks = _ticks(float(where[0]), float(where[-1]))
        axes.set_xticks(_logit(ticks), [f"{value:.7g}" for value in ticks])
        axes.set(
            xlabel="threshold on the probability, spaced by its logit",
            ylabel="value",
            ylim=(min(-0.02, *_lows(curves)), 1.02),
        )
        legend_below(figure, axes, columns=3)


def _thresholds(probabilities_N: NDArray[np.floating]) -> NDArray[np.float64]:
    """Where the curves are drawn: evenly on the logit of the probability, from the lowest to the highest.

    Probabilities crowd at one end or both: on a plain axis all that matters would be one vertical line.
    """
    low, high = _logit(np.array([probabilities_N.min(), probabilities_N.max()], np.float64)).tolist()
    room = 0.1 if high == low else 0.0
    return _probability(np.linspace(low - room, high + room, POINTS))


def _logit(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    inside = np.clip(probabilities, LEAST, 1 - LEAST)
    return np.log(inside) - np.log1p(-inside)


def _probability(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-logits))


def _ticks(low: float, high: float) -> NDArray[np.float64]:
    """Round probabilities between two logits, so far apart that their labels do not meet."""
    tails = 10.0 ** np.arange(-6, 0)
    round_ones = np.unique(np.concatenate([tails, 1 - tails, np.arange(1, 10) / 10]))
    inside = round_ones[(_logit(round_ones) >= low) & (_logit(round_ones) <= high)]
    if inside.size < 4:
        first, last = _probability(np.array([low, high]))
        even = MaxNLocator(nbins=6).tick_values(first, last)
        inside = even[(even >= first) & (even <= last)]
    chosen: list[float] = []
    for value, place in zip(inside.tolist(), _logit(inside).tolist(), strict=True):
        if not chosen or place - _logit(np.array(chosen[-1:]))[0] > (high - low) / 7:
            chosen.append(value)
    return np.array(chosen)


def _lows(curves: Mapping[str, np.ndarray]) -> list[float]:
    return [float(np.nanmin(curve)) - 0.02 for curve in curves.values()]


def plot_score_histogram(
    probabilities: ArrayLike, labels: ArrayLike, path: Path, threshold: float | None = None
) -> None:
    """How many residues of each class get which probability; counts on a logarithmic axis."""
    probabilities_N, labels_N = as_scored(probabilities, labels)
    with drawing(path, height=3.3, margins=Margins(left=0.8)) as figure:
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
        _mark(axes, threshold, f"threshold {threshold_text(threshold)}" if threshold is not None else "")
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
