"""Counts of calls against labels, and the ratios made of them.

A residue is called where `probability >= threshold`. A ratio without a denominator is NaN here, except the Matthews
correlation, which is 0 by convention where all calls or all labels are alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


def _ratio(numerator: int, denominator: int) -> float:
    return numerator / denominator if denominator else math.nan


@dataclass(frozen=True)
class Confusion:
    """True and false positives, false and true negatives."""

    tp: int
    fp: int
    fn: int
    tn: int

    @property
    def calls(self) -> int:
        """Residues called positive."""
        return self.tp + self.fp

    def precision(self) -> float:
        """TP / calls; NaN without calls."""
        return _ratio(self.tp, self.calls)

    def recall(self) -> float:
        """TP / positives; NaN without positives."""
        return _ratio(self.tp, self.tp + self.fn)

    def specificity(self) -> float:
        """TN / negatives; NaN without negatives."""
        return _ratio(self.tn, self.tn + self.fp)

    def f1(self) -> float:
        """2 TP / (2 TP + FP + FN); 0 where nothing is called, NaN without calls and positives."""
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    def balanced_accuracy(self) -> float:
        """Mean of recall and specificity."""
        return (self.recall() + self.specificity()) / 2

    def youden(self) -> float:
        """Youden's J = recall + specificity - 1."""
        return self.recall() + self.specificity() - 1

    def mcc(self) -> float:
        """Matthews correlation, in [-1, 1]; 0 where all calls or all labels are alike."""
        covariance = self.tp * self.tn - self.fp * self.fn
        spread = self.calls * (self.tn + self.fn) * (self.tp + self.fn) * (self.tn + self.fp)
        return covariance / math.sqrt(spread) if spread else 0.0


def confusion_at(
    probabilities_N: NDArray[np.floating], labels_N: NDArray[np.integer], threshold: float
) -> Confusion:
    """Counts of `probability >= threshold` against labels of 0 or 1."""
    # A bare float would be rounded to the dtype of float32 probabilities before the comparison.
    called_N = probabilities_N >= np.float64(threshold)
    positive_N = labels_N == 1
    tp = int(np.count_nonzero(called_N & positive_N))
    calls = int(np.count_nonzero(called_N))
    positives = int(np.count_nonzero(positive_N))
    return Confusion(tp=tp, fp=calls - tp, fn=positives - tp, tn=labels_N.size - calls - positives + tp)
