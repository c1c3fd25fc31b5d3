"""Metrics with one fault each."""

from __future__ import annotations

import math

import numpy as np
from wrong_plugins import Zoo

from e1bind.contracts import MetricOutput
from e1bind.plugins import MetricPlugin, hookimpl
from e1bind.spec import Options

E1BIND_API = 1


class MetricOptions(Options):
    pass


ZOO = Zoo(MetricPlugin, {"options": f"{__name__}:MetricOptions"})


@ZOO.right()
class RightMetric:
    """How much more probable binding residues are than others, on average."""

    higher_is_better = True

    def __init__(self, options):
        self.options = options

    def __call__(self, inputs):
        if len(set(inputs.labels.tolist())) < 2:
            return self.undefined()
        return MetricOutput(self.value(inputs.probabilities, inputs.labels))

    def undefined(self):
        return MetricOutput(math.nan, "one class only")

    def value(self, probabilities, labels):
        return float(probabilities[labels == 1].mean() - probabilities[labels == 0].mean())


@ZOO.wrong("builds")
class NoDirection(RightMetric):
    higher_is_better = None


@ZOO.wrong("returns-a-number")
class ReturnsANumber(RightMetric):
    def __call__(self, inputs):
        return 0.5


@ZOO.wrong("returns-a-number")
class Raises(RightMetric):
    def value(self, probabilities, labels):
        return float(probabilities @ labels[:-1])


@ZOO.wrong("returns-a-number")
class ReturnsText(RightMetric):
    def value(self, probabilities, labels):
        return f"{super().value(probabilities, labels):.3f}"


@ZOO.wrong("direction-is-as-declared")
class LowerIsSaidToBeBetter(RightMetric):
    higher_is_better = False


@ZOO.wrong("perfect-is-best")
class TripsOverPerfection(RightMetric):
    def value(self, probabilities, labels):
        value = super().value(probabilities, labels)
        return value if value < 0.85 else 0.266


@ZOO.wrong("order-does-not-matter")
class LooksAtTheFirstHalf(RightMetric):
    def value(self, probabilities, labels):
        half = len(labels) // 2
        return super().value(probabilities[:half], labels[:half])


@ZOO.wrong("ties-do-not-depend-on-order")
class BreaksTiesByOrder(RightMetric):
    def value(self, probabilities, labels):
        ranked = labels[np.argsort(-probabilities, kind="stable")]
        precision = np.cumsum(ranked) / np.arange(1, len(ranked) + 1)
        return float(precision[ranked == 1].mean())


@ZOO.wrong("one-class-is-nan-with-a-reason")
class ZeroForOneClass(RightMetric):
    def undefined(self):
        return MetricOutput(0.0)


@ZOO.wrong("one-class-is-nan-with-a-reason")
class NoReason(RightMetric):
    def undefined(self):
        return MetricOutput(math.nan)


@ZOO.wrong("needs-no-threshold")
class WantsAThreshold(RightMetric):
    def __call__(self, inputs):
        if inputs.threshold + 0 > 2:
            return self.undefined()
        return super().__call__(inputs)


@ZOO.wrong("inputs-are-not-modified")
class ClearsProteins(RightMetric):
    def __call__(self, inputs):
        inputs.protein[:] = 0
        return super().__call__(inputs)


@ZOO.wrong("same-inputs-give-the-same-value")
class AveragesOverCalls(RightMetric):
    total, calls = 0.0, 0

    def value(self, probabilities, labels):
        self.total, self.calls = self.total + super().value(probabilities, labels), self.calls + 1
        return self.total / self.calls


@hookimpl
def e1bind_metrics():
    return ZOO.found
