"""Average precision of several predictions of the same residues, with intervals, and how far they lie apart.

Every resample of proteins (`e1bind.metrics.resampling`) is the same for all of them, so that differences are
paired. A protein that is drawn twice counts twice.

Shape legend: N residues, P proteins.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from e1bind.metrics.base import check_arrays, why_undefined
from e1bind.metrics.resampling import RESAMPLES, draws, percentiles


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
    once_P = np.ones(int(protein_N.max(initial=-1)) + 1, np.int64)
    values = {name: ranking.average_precision(once_P) for name, ranking in rankings.items()}
    found = [
        [of.average_precision(times_P) for of in rankings.values()] for times_P in draws(protein_N, resamples, seed)
    ]
    drawn = dict(zip(rankings, np.reshape(found, (-1, len(rankings))).T, strict=True))
    first = next(iter(values))
    return {
        name: Paired(
            Range(values[name], *percentiles(drawn[name].tolist())),
            Range(values[first] - values[name], *percentiles((drawn[first] - drawn[name]).tolist())),
        )
        for name in values
    }


class _Ranking:
    """Residues from the highest score on; average precision of any number of copies of each protein."""

    def __init__(
        self, values_N: NDArray[np.floating], labels_N: NDArray[np.integer], protein_N: NDArray[np.int64]
    ) -> None:
        falling_N = -values_N.astype(np.float64)
        order_N = np.argsort(falling_N, kind="stable")
        sorted_N = falling_N[order_N]
        self.protein_N = protein_N[order_N]
        binds_N = labels_N[order_N] == 1
        self.binding = np.flatnonzero(binds_N)
        # Ties are called together: each positive counts at the last residue of its score.
        self.called_at = np.searchsorted(sorted_N, sorted_N[self.binding], side="right") - 1
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
