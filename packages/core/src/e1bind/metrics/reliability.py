"""How far probabilities can be taken at their word: reliability bins, calibration error, Brier score.

Shape legend: N scored residues, K bins, P proteins, C pairs of a protein and a bin it has residues in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from e1bind.contracts import MetricInputs, MetricOutput
from e1bind.errors import DataError
from e1bind.metrics.base import BinaryMetric, as_scored, undefined
from e1bind.metrics.options import EceOptions, NoOptions
from e1bind.metrics.sample import Drawn, Sample, Times


@dataclass(frozen=True, eq=False)
class ReliabilityBins:
    """Bins of equal width over [0, 1]; bin k holds probabilities in (edges[k], edges[k + 1]], the first also 0.

    `edges` [K + 1], `counts` int64 [K], `predicted` [K] mean probability and `observed` [K] share of positives;
    the last two are NaN in an empty bin.
    """

    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    predicted: NDArray[np.float64]
    observed: NDArray[np.float64]

    def ece(self) -> float:
        """Calibration error: mean over residues of their bin's |observed - predicted|, Guo et al. 2017."""
        filled_K = self.counts > 0
        gap_K = np.abs(self.observed - self.predicted)[filled_K]
        return float((self.counts[filled_K] * gap_K).sum() / self.counts.sum())


def _outside(probabilities_N: NDArray[np.floating]) -> str | None:
    low, high = float(probabilities_N.min()), float(probabilities_N.max())
    if low < 0 or high > 1:
        return f"probabilities reach from {low:.6g} to {high:.6g}, outside [0, 1]"
    return None


def bin_of(probabilities_N: NDArray[np.floating], bins: int) -> NDArray[np.int64]:
    """The bin of each probability, from 0."""
    return np.searchsorted(np.linspace(0.0, 1.0, bins + 1)[1:-1], probabilities_N, side="left")


def reliability_bins(probabilities: ArrayLike, labels: ArrayLike, bins: int) -> ReliabilityBins:
    """Reliability bins of N residues with probabilities in [0, 1]. `DataError` where there are none or outside."""
    probabilities_N, labels_N = as_scored(probabilities, labels)
    if probabilities_N.size == 0 or not np.isfinite(probabilities_N).all():
        raise DataError("a reliability diagram needs residues with finite probabilities")
    if problem := _outside(probabilities_N):
        raise DataError(f"a reliability diagram needs probabilities: {problem}")
    edges = np.linspace(0.0, 1.0, bins + 1)
    bin_N = bin_of(probabilities_N, bins)
    counts_K = np.bincount(bin_N, minlength=bins)
    total_K = np.bincount(bin_N, weights=probabilities_N, minlength=bins)
    positive_K = np.bincount(bin_N[labels_N == 1], minlength=bins)
    with np.errstate(invalid="ignore"):
        return ReliabilityBins(edges, counts_K, total_K / counts_K, positive_K / counts_K)


class Ece(BinaryMetric):
    """Expected calibration error over bins of equal width, in [0, 1]; 0 is calibrated."""

    higher_is_better = False

    def __init__(self, options: EceOptions) -> None:
        self.bins = options.bins

    def measure(self, inputs: MetricInputs) -> MetricOutput:
        if problem := _outside(inputs.probabilities):
            return undefined(problem)
        return MetricOutput(reliability_bins(inputs.probabilities, inputs.labels, self.bins).ece())

    def measure_drawn(self, sample: Sample) -> Drawn:
        inputs = sample.inputs
        if _outside(inputs.probabilities):
            return super().measure_drawn(sample)
        # Sums of a protein's residues in a bin: a cell for each pair that is there.
        bin_N = bin_of(inputs.probabilities, self.bins)
        cell_C, cell_N = np.unique(inputs.protein * self.bins + bin_N, return_inverse=True)
        excess_C = np.bincount(cell_N, inputs.labels - inputs.probabilities)
        count_C = np.bincount(cell_N)
        protein_C, bin_C = np.divmod(cell_C, self.bins)

        def value(times_P: Times) -> float:
            times_C = times_P[protein_C]
            gap_K = np.abs(np.bincount(bin_C, times_C * excess_C))
            return float(gap_K.sum() / (times_C @ count_C))

        return value


class Brier(BinaryMetric):
    """Mean squared difference of probability and label, in [0, 1]; 0 is perfect."""

    higher_is_better = False

    def __init__(self, options: NoOptions) -> None:
        self.options = options

    def measure(self, inputs: MetricInputs) -> MetricOutput:
        if problem := _outside(inputs.probabilities):
            return undefined(problem)
        error_N = inputs.probabilities.astype(np.float64) - inputs.labels
        return MetricOutput(float(np.mean(error_N * error_N)))

    def measure_drawn(self, sample: Sample) -> Drawn:
        inputs = sample.inputs
        if _outside(inputs.probabilities):
            return super().measure_drawn(sample)
        error_N = inputs.probabilities.astype(np.float64) - inputs.labels
        squared_P, residues_P = sample.sums(error_N * error_N), sample.sums(np.ones_like(error_N))
        return lambda times_P: float((times_P @ squared_P) / (times_P @ residues_P))
