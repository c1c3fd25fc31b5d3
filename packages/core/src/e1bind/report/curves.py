"""Precision-recall and ROC curves of scored residues, all folds together and each on its own.

Shape legend: N scored residues.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import precision_recall_curve, roc_curve

from e1bind.metrics.base import as_scored, why_undefined
from e1bind.metrics.curves import average_precision, high_recall_area, roc_area
from e1bind.metrics.ranking import rank_counts
from e1bind.report.style import BLUE, GREY, LIGHT, ORANGE, Margins, drawing, instead_of_data, legend_below

MAX_POINTS = 2000
"""Most points of a drawn curve; the areas are computed from all of them."""

_Points = tuple[NDArray[np.float64], NDArray[np.float64]]


def _thinned(x: NDArray[np.float64], y: NDArray[np.float64]) -> _Points:
    """About `MAX_POINTS` points: in each narrow column of x the first, the last, the lowest and the highest."""
    if x.size <= MAX_POINTS:
        return x, y
    column = np.minimum((x * (MAX_POINTS / 4)).astype(np.int64), MAX_POINTS // 4 - 1)
    starts = np.flatnonzero(np.diff(column, prepend=-1))
    stops = np.append(starts[1:], x.size)
    keep = set(starts.tolist()) | set((stops - 1).tolist())
    for start, stop in zip(starts, stops, strict=True):
        keep |= {start + int(y[start:stop].argmin()), start + int(y[start:stop].argmax())}
    chosen = np.array(sorted(keep))
    return x[chosen], y[chosen]


def recall_precision(probabilities_N: NDArray[np.floating], labels_N: NDArray[np.integer]) -> _Points:
    """The precision-recall curve, recall rising from 0."""
    precision, recall, _ = precision_recall_curve(labels_N, probabilities_N)
    return _thinned(recall[::-1], precision[::-1])


def _false_true_rate(probabilities_N: NDArray[np.floating], labels_N: NDArray[np.integer]) -> _Points:
    false_rate, true_rate, _ = roc_curve(labels_N, probabilities_N)
    return _thinned(false_rate, true_rate)


def plot_precision_recall(
    probabilities: ArrayLike, labels: ArrayLike, path: Path, fold: ArrayLike | None = None, min_recall: float = 0.7
) -> None:
    """Precision against recall with the HRA band shaded; `fold` [N] adds a thin curve for each fold."""
    probabilities_N, labels_N = as_scored(probabilities, labels)
    with drawing(path, height=4.1, margins=Margins()) as figure:
        axes = figure.subplots()
        if reason := why_undefined(probabilities_N, labels_N):
            return instead_of_data(axes, f"no precision-recall curve: {reason}")
        counts = rank_counts(probabilities_N, labels_N)
        area, high = average_precision(counts), high_recall_area(counts, min_recall)
        axes.axvspan(min_recall, 1, color="#FFF3D6", linewidth=0)
        _fold_curves(axes, probabilities_N, labels_N, fold, recall_precision)
        recall, precision = recall_precision(probabilities_N, labels_N)
        inside = recall >= min_recall
        at_band = np.interp(min_recall, recall, precision)
        axes.fill_between(
            np.append(min_recall, recall[inside]),
            np.append(at_band, precision[inside]),
            color=ORANGE,
            alpha=0.55,
            linewidth=0,
            label=f"HRA {high:.3f} of {1 - min_recall:.3g}",
        )
        axes.plot(recall, precision, color=BLUE, label=f"{_whole(fold)}AUPRC {area:.3f}")
        rate = counts.positives / counts.residues
        axes.axhline(rate, color=GREY, linestyle=":", linewidth=1.3, label=f"random order {rate:.3f}")
        _unit_square(axes, "recall", "precision")
        legend_below(figure, axes, columns=2)


def plot_roc(probabilities: ArrayLike, labels: ArrayLike, path: Path, fold: ArrayLike | None = None) -> None:
    """True against false positive rate; `fold` [N] adds a thin curve for each fold."""
    probabilities_N, labels_N = as_scored(probabilities, labels)
    with drawing(path, height=4.1, margins=Margins()) as figure:
        axes = figure.subplots()
        if reason := why_undefined(probabilities_N, labels_N):
            return instead_of_data(axes, f"no ROC curve: {reason}")
        area = roc_area(rank_counts(probabilities_N, labels_N))
        _fold_curves(axes, probabilities_N, labels_N, fold, _false_true_rate)
        axes.plot(*_false_true_rate(probabilities_N, labels_N), color=BLUE, label=f"{_whole(fold)}AUROC {area:.3f}")
        axes.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1.3, label="random order 0.5")
        _unit_square(axes, "false positive rate", "true positive rate")
        legend_below(figure, axes, columns=2)


def _fold_curves(
    axes: Axes,
    probabilities_N: NDArray[np.floating],
    labels_N: NDArray[np.integer],
    fold: ArrayLike | None,
    points: Callable[[NDArray[np.floating], NDArray[np.integer]], _Points],
) -> None:
    label: str | None = "single folds"
    for inside_N in _folds(fold):
        if why_undefined(probabilities_N[inside_N], labels_N[inside_N]) is None:
            axes.plot(
                *points(probabilities_N[inside_N], labels_N[inside_N]), color=LIGHT, linewidth=1.1, label=label
            )
            label = None


def _folds(fold: ArrayLike | None) -> Iterator[NDArray[np.bool_]]:
    if fold is not None:
        fold_N = np.asarray(fold)
        for number in np.unique(fold_N):
            yield fold_N == number


def _whole(fold: ArrayLike | None) -> str:
    return "" if fold is None else "all folds, "


def _unit_square(axes: Axes, x: str, y: str) -> None:
    axes.set(xlabel=x, ylabel=y, xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
