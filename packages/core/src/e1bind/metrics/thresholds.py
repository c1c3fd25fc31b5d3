"""Decision thresholds, exact over all scores.

The candidates are the distinct scores themselves; a residue is called where `probability >= threshold`. Youden's J,
F1 and the Matthews correlation all fall while a lower threshold takes in negatives only, so the best candidate is a
positive's score, and those are the only ones that need a look.

Shape legend: N scored residues, K distinct scores of positives, high to low.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from e1bind.errors import DataError
from e1bind.metrics.base import as_scored, why_undefined
from e1bind.metrics.confusion import Confusion, confusion_at
from e1bind.metrics.ranking import RankCounts, rank_counts

ThresholdMethod = Literal["youden", "f1", "mcc"]
TIE = 1e-12
"""Candidates whose metric is this close to the best one tie; the highest threshold of them is taken."""


def threshold_text(threshold: float) -> str:
    """A threshold for people: three digits, and as many more as tell it from 1 where probabilities crowd there."""
    digits = 3 if threshold >= 1 or threshold < 0.99 else 2 - math.floor(math.log10(1 - threshold))
    return f"{threshold:.{min(digits, 16)}g}"


@dataclass(frozen=True)
class Threshold:
    """A decision threshold: how it was found, the metric it maximises, and the counts it leads to."""

    method: str
    threshold: float
    value: float
    counts: Confusion

    def metrics(self) -> dict[str, float | None]:
        """Ratios at the threshold by metric name; None where one has no denominator."""
        ratios = {
            "youden": self.counts.youden(),
            "f1": self.counts.f1(),
            "mcc": self.counts.mcc(),
            "precision": self.counts.precision(),
            "recall": self.counts.recall(),
            "specificity": self.counts.specificity(),
            "balanced-accuracy": self.counts.balanced_accuracy(),
        }
        return {name: None if math.isnan(value) else value for name, value in ratios.items()}

    def to_dict(self) -> dict[str, Any]:
        """As it stands in `global_thresholds.yaml`; plain numbers that survive YAML and JSON digit for digit."""
        return {
            "method": self.method,
            "threshold": self.threshold,
            "metrics": self.metrics(),
            "counts": asdict(self.counts),
        }


def _youden(counts: RankCounts) -> NDArray[np.float64]:
    # TP * N - FP * P is whole: equal J stay equal.
    false_K = counts.calls_K - counts.tp_K
    product = counts.positives * counts.negatives
    return (counts.tp_K * counts.negatives - false_K * counts.positives) / product


def _f1(counts: RankCounts) -> NDArray[np.float64]:
    return 2 * counts.tp_K / (counts.calls_K + counts.positives)


def _mcc(counts: RankCounts) -> NDArray[np.float64]:
    # With M residues and q calls: (TP * M - P * q) / sqrt(q * (M - q) * P * N); 0 where all are called.
    covariance_K = (counts.tp_K * counts.residues - counts.positives * counts.calls_K).astype(np.float64)
    left_K = counts.residues - counts.calls_K
    spread_K = np.sqrt(counts.calls_K * left_K) * math.sqrt(counts.positives * counts.negatives)
    return np.divide(covariance_K, spread_K, out=np.zeros_like(covariance_K), where=left_K > 0)


_METHODS: dict[str, Callable[[RankCounts], NDArray[np.float64]]] = {"youden": _youden, "f1": _f1, "mcc": _mcc}


THRESHOLD_METHODS: tuple[ThresholdMethod, ...] = ("youden", "f1", "mcc")
"""Every method, as a spec names it."""


def choose_threshold(probabilities: ArrayLike, labels: ArrayLike, method: ThresholdMethod) -> Threshold:
    """The distinct score of N residues that maximises `method`, calls being `probability >= threshold`.

    Ties (within 1e-12 of the best) go to the highest threshold, which calls the fewest residues. The threshold is
    one of the scores, exactly, so the counts can be found again from the file it is written to. `DataError` where
    there is nothing to choose from: no residues, one class only, or probabilities that are not finite.
    """
    if method not in _METHODS:
        raise ValueError(f"no threshold method {method!r}; there are {', '.join(_METHODS)}")
    probabilities_N, labels_N = as_scored(probabilities, labels)
    if reason := why_undefined(probabilities_N, labels_N):
        raise DataError(f"cannot choose a {method} threshold: {reason}")
    counts = rank_counts(probabilities_N, labels_N)
    value_K = _METHODS[method](counts)
    best = int(np.argmax(value_K >= value_K.max() - TIE))
    threshold = float(counts.score_K[best])
    return Threshold(
        method=method,
        threshold=threshold,
        value=float(value_K[best]),
        counts=confusion_at(probabilities_N, labels_N, threshold),
    )


def threshold_curve(
    probabilities: ArrayLike, labels: ArrayLike, thresholds_T: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """Precision, recall, F1, MCC and Youden's J at T given thresholds, for a figure; NaN where undefined."""
    probabilities_N, labels_N = as_scored(probabilities, labels)
    if reason := why_undefined(probabilities_N, labels_N):
        raise DataError(f"cannot draw a threshold curve: {reason}")
    everything = np.sort(probabilities_N)
    positive = np.sort(probabilities_N[labels_N == 1])
    calls_T = everything.size - np.searchsorted(everything, thresholds_T, side="left")
    tp_T = positive.size - np.searchsorted(positive, thresholds_T, side="left")
    rows = [
        Confusion(
            tp=int(tp),
            fp=int(calls - tp),
            fn=int(positive.size - tp),
            tn=int(everything.size - calls - positive.size + tp),
        )
        for tp, calls in zip(tp_T, calls_T, strict=True)
    ]
    return {
        name: np.array([getattr(row, name)() for row in rows])
        for name in ("precision", "recall", "f1", "mcc", "youden")
    }
