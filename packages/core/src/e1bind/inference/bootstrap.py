"""Intervals of metrics by resampling proteins (`e1bind.metrics.resampling`).

Shape legend: P proteins.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from e1bind.contracts import Metric, MetricInputs, MetricOutput
from e1bind.metrics.base import drawn_metric
from e1bind.metrics.resampling import RESAMPLES, percentiles, too_few, values_drawn
from e1bind.metrics.sample import Sample


@dataclass(frozen=True)
class Interval:
    """A metric with its interval; `low` and `high` are NaN, `reason` says why, where there is none.

    `defined`: resamples in which the metric was a number.
    """

    value: float
    low: float
    high: float
    defined: int
    reason: str | None = None


def intervals(
    metrics: Mapping[str, Metric], inputs: MetricInputs, resamples: int = RESAMPLES, seed: int = 1
) -> dict[str, Interval]:
    """Each metric of `inputs` with its 95 % interval over proteins; the same seed gives the same intervals.

    `inputs.protein` holds 0 to P - 1, each at least once.
    """
    sample = Sample(inputs)
    functions = {name: drawn_metric(metric, sample) for name, metric in metrics.items()}
    drawn = values_drawn(functions, sample.proteins, resamples, seed)
    return {name: _interval(metric(inputs), drawn[name], sample.proteins) for name, metric in metrics.items()}


def _interval(output: MetricOutput, values: NDArray[np.float64], proteins: int) -> Interval:
    defined = int(np.isfinite(values).sum())
    if math.isnan(output.value):
        return Interval(output.value, math.nan, math.nan, defined, output.reason)
    if few := too_few(proteins):
        return Interval(output.value, math.nan, math.nan, 0, few)
    low, high = percentiles(values)
    reason = None
    if math.isnan(low):
        reason = f"no interval: undefined in {values.size - defined} of {values.size} resamples of proteins"
    return Interval(output.value, low, high, defined, reason)
