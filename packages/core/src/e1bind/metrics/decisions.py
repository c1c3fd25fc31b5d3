"""Metrics of calls at a decision threshold: `probability >= threshold`."""

from __future__ import annotations

from abc import abstractmethod

from e1bind.contracts import MetricInputs, MetricOutput
from e1bind.metrics.base import BinaryMetric, undefined
from e1bind.metrics.confusion import Confusion, confusion_at
from e1bind.metrics.options import DecisionOptions
from e1bind.metrics.sample import Drawn, Sample


class DecisionMetric(BinaryMetric):
    """A ratio of the confusion counts at the chosen threshold, or at `default_threshold` where none was chosen."""

    def __init__(self, options: DecisionOptions) -> None:
        self.default_threshold = options.default_threshold

    def threshold(self, inputs: MetricInputs) -> float:
        """Where calls begin."""
        return self.default_threshold if inputs.threshold is None else inputs.threshold

    def measure(self, inputs: MetricInputs) -> MetricOutput:
        threshold = self.threshold(inputs)
        return self.ratio(confusion_at(inputs.probabilities, inputs.labels, threshold), threshold)

    def measure_drawn(self, sample: Sample) -> Drawn:
        threshold = self.threshold(sample.inputs)
        counts = sample.confusion(threshold)
        return lambda times_P: self.ratio(counts(times_P), threshold).value

    @abstractmethod
    def ratio(self, counts: Confusion, threshold: float) -> MetricOutput:
        """The metric made of counts with both classes in them."""


class F1(DecisionMetric):
    """Harmonic mean of precision and recall, in [0, 1]; 0 where nothing is called."""

    def ratio(self, counts: Confusion, threshold: float) -> MetricOutput:
        return MetricOutput(counts.f1())


class Mcc(DecisionMetric):
    """Matthews correlation, in [-1, 1]; 0 where nothing or everything is called."""

    def ratio(self, counts: Confusion, threshold: float) -> MetricOutput:
        return MetricOutput(counts.mcc())


class Precision(DecisionMetric):
    """Share of the calls that are right, in [0, 1]; NaN where nothing is called."""

    def ratio(self, counts: Confusion, threshold: float) -> MetricOutput:
        if counts.calls == 0:
            return undefined(f"no residue is called at the threshold {threshold:.6g}")
        return MetricOutput(counts.precision())


class Recall(DecisionMetric):
    """Share of the positives that are called, in [0, 1]."""

    def ratio(self, counts: Confusion, threshold: float) -> MetricOutput:
        return MetricOutput(counts.recall())


class BalancedAccuracy(DecisionMetric):
    """Mean of recall and specificity, in [0, 1]; 0.5 is chance."""

    def ratio(self, counts: Confusion, threshold: float) -> MetricOutput:
        return MetricOutput(counts.balanced_accuracy())
