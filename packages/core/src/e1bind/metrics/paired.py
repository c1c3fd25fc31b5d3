"""Average precision of several predictions of the same residues, with intervals, and how far they lie apart.

Percentile bootstrap over proteins, as in `e1bind.inference.bootstrap`: every resample is the same for all of
them, so that differences are paired. A protein that is drawn twice counts twice.

Shape legend: N residues, P proteins.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from e1bind.metrics.base import check_arrays, why_undefined

RESAMPLES = 1000
TAIL_PERCENT = 2.5


@dataclass(frozen=True)
class Range:
    """A value and its 95 % interval; NaN where there is none."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Paired:
    """Average precision of one prediction, and that of the first minus it."""

    auprc: Range
    difference: Range


def paired_average_precision(
    probabilities: Mapping[str, NDArray[np.floating]],
    labels_N: NDArray[np.integer],
    protein_N: NDArray[np.int64],
    resamples: int = RESAMPLES,
    seed: int = 1,
) -> dict[str, Paired]:
    """Each prediction's average precision, and how far the first is above it; the same seed, the same result.

    `protein_N` holds 0 to P - 1, each at least once. With one class or one protein the intervals are NaN.
    """
    rankings = {}
    for name, values_N in probabilities.items():
        check_arrays(values_N, labels_N)
        if why_undefined(values_N, labels_N) is not None:
            nothing = Range(math.nan, math.nan, math.nan)
            return {known: Paired(nothing, nothing) for known in probabilities}
        rankings[name] = _Ranking(values_N, labels_N, protein_N)
    proteins = int(protein_N.max(initial=-1)) + 1
    once_P = np.ones(proteins, np.int64)
    values = {name: ranking.average_precision(once_P) for name, ranking in rankings.items()}
    rng = np.random.default_rng(seed)
    drawn: dict[str, list[float]] = {name: [] for name in rankings}
    for _ in range(resamples if proteins > 1 else 0):
        times_P = rng.multinomial(proteins, np.full(proteins, 1 / proteins))
        for name, ranking in rankings.items():
            drawn[name].append(ranking.average_precision(times_P))
    first = next(iter(values))
    return {
        name: Paired(
            _range(values[name], np.array(drawn[name])),
            _range(values[first] - values[name], np.array(drawn[first]) - np.array(drawn[name])),
        )
        for name in values
    }


class _Ranking:
    """Residues from the highest score on; average precision of any number of copies of each protein."""

    def __init__(
        self, values_N: NDArray[np.floating], labels_N: NDArray[np.integer], protein_N: NDArray[np.int64]
    ) -> None:
        order_N = np.argsort(-values_N.astype(np.float64), kind="stable")
        sorted_N = values_N[order_N]
        self.protein_N = protein_N[order_N]
        binds_N = labels_N[order_N] == 1
        self.binding = np.flatnonzero(binds_N)
        # Ties are called together: each positive counts at the last residue of its score.
        last_N = np.searchsorted(-sorted_N.astype(np.float64), -sorted_N.astype(np.float64), side="right") - 1
        self.called_at = last_N[self.binding]
        # and as many positives are called with it as stand up to there.
        self.found_at = np.cumsum(binds_N)[self.called_at] - 1

    def average_precision(self, times_P: NDArray[np.int64]) -> float:
        """Sum over thresholds of (recall gained) * precision; NaN where no positive is drawn."""
        times_N = times_P[self.protein_N]
        calls = np.cumsum(times_N)[self.called_at]
        weight = times_N[self.binding]
        found = np.cumsum(weight)
        if not weight.size or found[-1] == 0:
            return math.nan
        counts = weight > 0
        precision = found[self.found_at[counts]] / calls[counts]
        return float((weight[counts] * precision).sum() / found[-1])


def _range(value: float, drawn: NDArray[np.float64]) -> Range:
    defined = drawn[np.isfinite(drawn)]
    if defined.size < 0.9 * drawn.size or not defined.size:
        return Range(value, math.nan, math.nan)
    low, high = np.percentile(defined, [TAIL_PERCENT, 100 - TAIL_PERCENT])
    return Range(value, float(low), float(high))
