"""The percentile bootstrap over proteins: residues of one protein are no independent draws, proteins are.

Efron and Tibshirani 1993, chapter 13: as many proteins as there are, drawn with replacement, each with all of its
residues.

Shape legend: N residues, P proteins.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
COVERAGE = 0.95
MIN_DEFINED = 0.9
"""Share of the resamples in which a metric must be defined for its interval to be told."""


def draws(protein_N: NDArray[np.int64], resamples: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """How often each protein is drawn [P], for each resample; none for fewer than two proteins.

    `protein_N` holds 0 to P - 1, each at least once. The same seed gives the same draws.
    """
    proteins = int(protein_N.max(initial=-1)) + 1
    rng = np.random.default_rng(seed)
    for _ in range(resamples if proteins > 1 else 0):
        yield rng.multinomial(proteins, np.full(proteins, 1 / proteins))


def percentiles(values: Sequence[float]) -> tuple[float, float]:
    """Ends of the interval that holds `COVERAGE` of the values; NaN where too few of them are finite, or none."""
    defined = [value for value in values if math.isfinite(value)]
    if not defined or len(defined) < MIN_DEFINED * len(values):
        return math.nan, math.nan
    tail = 100 * (1 - COVERAGE) / 2
    low, high = np.percentile(defined, [tail, 100 - tail])
    return float(low), float(high)
