"""What all built-in metrics share: when there is no number to give, and why.

Shape legend: N scored residues.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from e1bind.contracts import Metric, MetricInputs, MetricOutput
from e1bind.metrics.sample import Drawn, Sample, Times


def undefined(reason: str) -> MetricOutput:
    """NaN, with the reason why there is no number."""
    return MetricOutput(math.nan, reason)


def check_arrays(probabilities_N: NDArray[np.floating], labels_N: NDArray[np.integer]) -> None:
    """Refuse arrays that are no scored residues: another shape or labels outside {0, 1} (`ValueError`)."""
    if probabilities_N.ndim != 1 or probabilities_N.shape != labels_N.shape:
        raise ValueError(
            f"probabilities {probabilities_N.shape} and labels {labels_N.shape} must be flat and equally long"
        )
    wrong_N = (labels_N != 0) & (labels_N != 1)
    if wrong_N.any():
        at = int(wrong_N.argmax())
        raise ValueError(f"label {labels_N[at]} at position {at} is neither 0 nor 1; leave unlabelled residues out")


def why_undefined(probabilities_N: NDArray[np.floating], labels_N: NDArray[np.integer]) -> str | None:
    """Why no metric is defined on these residues, or None: none at all, not finite, or one class only."""
    total = labels_N.size
    if total == 0:
        return "there are no residues"
    finite = int(np.isfinite(probabilities_N).sum())
    if finite < total:
        return f"{total - finite} of {total} probabilities are not finite"
    positives = int(np.count_nonzero(labels_N))
    if positives == 0:
        return f"none of the {total} residues is positive"
    if positives == total:
        return f"all {total} residues are positive"
    return None


def probabilities_fault(values: Any, residues: int) -> str | None:
    """Whether `values` are a probability for each residue; in words that go on after a component's name."""
    array = np.asarray(values)
    if array.dtype.kind not in "biuf" or array.shape != (residues,) or not ((array >= 0) & (array <= 1)).all():
        return (
            f"gave values of shape {list(array.shape)}, not a probability of 0 to 1 for each of {residues} residues"
        )
    return None


class BinaryMetric(ABC):
    """A metric of residues of both classes; anything else is NaN with a reason. Built as `Target(options)`."""

    higher_is_better = True

    def __call__(self, inputs: MetricInputs) -> MetricOutput:
        """The metric of these residues, or NaN with the reason; `ValueError` where they break the contract."""
        check_arrays(inputs.probabilities, inputs.labels)
        reason = why_undefined(inputs.probabilities, inputs.labels)
        return undefined(reason) if reason else self.measure(inputs)

    @abstractmethod
    def measure(self, inputs: MetricInputs) -> MetricOutput:
        """The metric; both classes are there and every probability is finite."""

    def measure_drawn(self, sample: Sample) -> Drawn:
        """`measure` as a function of how often each protein counts; of both classes some are drawn.

        This copies the residues; metrics that need not do so say here how.
        """
        return lambda times_P: self.measure(sample.copied(times_P)).value


def drawn_metric(metric: Metric, sample: Sample) -> Drawn:
    """`metric` as a function of how often each protein counts; NaN where it is undefined.

    A metric from elsewhere is asked about copies of the residues: one that inherits from a metric of this room may
    measure another thing than its `measure_drawn`.
    """
    if not isinstance(metric, BinaryMetric) or not type(metric).__module__.startswith("e1bind.metrics."):
        return lambda times_P: metric(sample.copied(times_P)).value
    check_arrays(sample.inputs.probabilities, sample.inputs.labels)
    if why_undefined(sample.inputs.probabilities, sample.inputs.labels) is not None:
        return lambda _: math.nan
    measured = metric.measure_drawn(sample)

    def value(times_P: Times) -> float:
        return measured(times_P) if sample.has_both_classes(times_P) else math.nan

    return value


def as_scored(probabilities: ArrayLike, labels: ArrayLike) -> tuple[NDArray[np.floating], NDArray[np.integer]]:
    """Arrays of the two, checked; float32 stays float32."""
    probabilities_N = np.asarray(probabilities)
    if not np.issubdtype(probabilities_N.dtype, np.floating):
        probabilities_N = probabilities_N.astype(np.float64)
    labels_N = np.asarray(labels)
    check_arrays(probabilities_N, labels_N)
    return probabilities_N, labels_N.astype(np.int8, copy=False)
