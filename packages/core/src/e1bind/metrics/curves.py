"""Areas under the precision-recall and ROC curves, exact with ties.

Shape legend: N scored residues, K distinct scores of positives, high to low.
"""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from e1bind.contracts import MetricInputs, MetricOutput
from e1bind.metrics.base import BinaryMetric
from e1bind.metrics.options import HraOptions, NoOptions
from e1bind.metrics.ranking import RankCounts, rank_counts
from e1bind.metrics.sample import Drawn, Sample


def average_precision(counts: RankCounts) -> float:
    """Sum over thresholds of (recall gained) * precision, as scikit-learn's `average_precision_score`."""
    gained_K = counts.tp_K - counts.tp_above_K
    return float((gained_K * (counts.tp_K / counts.calls_K)).sum() / counts.positives)


def roc_area(counts: RankCounts) -> float:
    """Probability that a positive scores above a negative, ties counted half (Mann-Whitney U)."""
    gained_K = counts.tp_K - counts.tp_above_K
    false_K = counts.calls_K - counts.tp_K
    false_above_K = counts.calls_above_K - counts.tp_above_K
    # Twice U is a whole number, so nothing is rounded before the division.
    twice = (gained_K * (2 * counts.negatives - false_K - false_above_K)).sum()
    return float(twice) / (2 * counts.positives * counts.negatives)


def high_recall_area(counts: RankCounts, min_recall: float) -> float:
    """Area under the precision-recall curve over recall >= `min_recall`, not normalised: perfect is 1 - min_recall.

    Trapezoids between neighbouring points of the curve in its own order (thresholds high to low, starting at
    recall 0 and precision 1); precision at `min_recall` is interpolated on the trapezoid it falls into. Where
    recall rests, precision falls at no width, so only the steps up to the positives' scores have an area.
    """
    from_K = counts.tp_above_K / counts.positives
    to_K = counts.tp_K / counts.positives
    start_K = np.where(counts.calls_above_K == 0, 1.0, counts.tp_above_K / np.maximum(counts.calls_above_K, 1))
    end_K = counts.tp_K / counts.calls_K
    left_K = np.maximum(from_K, min_recall)
    width_K = np.maximum(to_K - left_K, 0.0)
    at_left_K = start_K + (end_K - start_K) * (left_K - from_K) / (to_K - from_K)
    return float((width_K * (at_left_K + end_K) / 2).sum())


class RankMetric(BinaryMetric):
    """A metric of nothing but the counts along the ranking."""

    @abstractmethod
    def of_counts(self, counts: RankCounts) -> float:
        """The metric; both classes are there."""

    def measure(self, inputs: MetricInputs) -> MetricOutput:
        return MetricOutput(self.of_counts(rank_counts(inputs.probabilities, inputs.labels)))

    def measure_drawn(self, sample: Sample) -> Drawn:
        return lambda times_P: self.of_counts(sample.rank_counts(times_P))


class Auprc(RankMetric):
    """Average precision. In [positive rate of a random order, 1]."""

    def __init__(self, options: NoOptions) -> None:
        self.options = options

    def of_counts(self, counts: RankCounts) -> float:
        return average_precision(counts)


class Auroc(RankMetric):
    """Area under the ROC curve, in [0, 1]."""

    def __init__(self, options: NoOptions) -> None:
        self.options = options

    def of_counts(self, counts: RankCounts) -> float:
        return roc_area(counts)


class Hra(RankMetric):
    """High-recall area, in [0, 1 - min_recall]."""

    def __init__(self, options: HraOptions) -> None:
        self.min_recall = options.min_recall

    def of_counts(self, counts: RankCounts) -> float:
        return high_recall_area(counts, self.min_recall)


class HraNormalised(Hra):
    """High-recall area divided by 1 - min_recall: the mean precision over that band, in [0, 1]."""

    def of_counts(self, counts: RankCounts) -> float:
        return super().of_counts(counts) / (1 - self.min_recall)
