"""The percentile bootstrap over proteins: residues of one protein are no independent draws, proteins are.

Efron and Tibshirani 1993, chapter 13: as many proteins as there are, drawn with replacement, each with all of its
residues.

Shape legend: P proteins.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Key = TypeVar("Key", bound=Hashable)

RESAMPLES = 1000
COVERAGE = 0.95
MIN_PROTEINS = 20
"""Fewer say too little of what others are like: their interval would be too narrow."""
MIN_DEFINED = 0.9
"""Share of the resamples in which a metric must be defined for its interval to be told."""


def too_few(proteins: int) -> str | None:
    """Why so many proteins have no interval, or None."""
    if proteins >= MIN_PROTEINS:
        return None
    of = "1 protein is" if proteins == 1 else f"{proteins} proteins are"
    return f"no interval: {of} too few to resample ({MIN_PROTEINS} or more)"


def draws(proteins: int, resamples: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """How often each protein is drawn [P], for each resample; none where they are `too_few`.

    The same seed gives the same draws.
    """
    rng = np.random.default_rng(seed)
    for _ in range(0 if too_few(proteins) else resamples):
        yield rng.multinomial(proteins, np.full(proteins, 1 / proteins))


def values_drawn(
    functions: Mapping[Key, Callable[[NDArray[np.int64]], float]], proteins: int, resamples: int, seed: int
) -> dict[Key, NDArray[np.float64]]:
    """Each function of the draws, all on the same ones: [resamples] by name, empty where proteins are `too_few`."""
    rows = [[of(times_P) for of in functions.values()] for times_P in draws(proteins, resamples, seed)]
    columns = np.reshape(np.array(rows, np.float64), (-1, len(functions))).T
    return dict(zip(functions, columns, strict=True))


def percentiles(values: NDArray[np.float64]) -> tuple[float, float]:
    """Ends of the interval that holds `COVERAGE` of the values; NaN where too few of them are finite, or none."""
    defined = values[np.isfinite(values)]
    if not defined.size or defined.size < MIN_DEFINED * values.size:
        return math.nan, math.nan
    tail = 100 * (1 - COVERAGE) / 2
    low, high = np.percentile(defined, [tail, 100 - tail])
    return float(low), float(high)
