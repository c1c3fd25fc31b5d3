"""Intervals of metrics by resampling proteins (`e1bind.metrics.resampling`).

A protein that is drawn twice counts as two.

Shape legend: N scored residues, P proteins.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from e1bind.contracts import Metric, MetricInputs
from e1bind.metrics.resampling import RESAMPLES, draws, percentiles


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
    found: dict[str, list[float]] = {name: [] for name in metrics}
    order_N = np.argsort(inputs.probabilities, kind="stable")
    ordered = _rows(inputs, order_N)  # resamples of a sorted table are sorted, and metrics sort them faster
    proteins = int(inputs.protein.max(initial=-1)) + 1
    for times_P in draws(inputs.protein, resamples, seed):
        drawn = resample(ordered, times_P)
        for name, metric in metrics.items():
            found[name].append(metric(drawn).value)
    return {name: _interval(metric, inputs, found[name], proteins) for name, metric in metrics.items()}


def resample(inputs: MetricInputs, times_P: NDArray[np.int64]) -> MetricInputs:
    """The residues of each protein `times_P` times, under a protein index of its own each time."""
    repeats_N = times_P[inputs.protein]
    rows = np.repeat(np.arange(inputs.protein.size), repeats_N)
    first_P = np.cumsum(times_P) - times_P
    first_row_N = np.cumsum(repeats_N) - repeats_N
    copy = np.arange(rows.size) - first_row_N[rows]
    return replace(_rows(inputs, rows), protein=first_P[inputs.protein[rows]] + copy)


def _rows(inputs: MetricInputs, rows: NDArray[np.int64]) -> MetricInputs:
    return replace(
        inputs,
        probabilities=inputs.probabilities[rows],
        labels=inputs.labels[rows],
        protein=inputs.protein[rows],
    )


def _interval(metric: Metric, inputs: MetricInputs, values: list[float], proteins: int) -> Interval:
    output = metric(inputs)
    defined = sum(map(math.isfinite, values))
    if math.isnan(output.value):
        return Interval(output.value, math.nan, math.nan, defined, output.reason)
    if proteins < 2:
        return Interval(output.value, math.nan, math.nan, 0, "no interval: one protein cannot be resampled")
    low, high = percentiles(values)
    reason = None
    if math.isnan(low):
        reason = f"no interval: undefined in {len(values) - defined} of {len(values)} resamples of proteins"
    return Interval(output.value, low, high, defined, reason)
