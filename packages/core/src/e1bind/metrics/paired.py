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

from e1bind.contracts import MetricInputs
from e1bind.metrics.base import check_arrays, drawn_metric, why_undefined
from e1bind.metrics.curves import Auprc
from e1bind.metrics.options import NoOptions
from e1bind.metrics.resampling import RESAMPLES, percentiles, values_drawn
from e1bind.metrics.sample import Drawn, Sample


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

    `protein_N` holds 0 to P - 1, each at least once. With one class, or too few proteins, the intervals are
    NaN.
    """
    functions: dict[str, Drawn] = {}
    for name, values_N in probabilities.items():
        check_arrays(values_N, labels_N)
        if why_undefined(values_N, labels_N) is not None:
            nothing = Range(math.nan, math.nan, math.nan)
            return {known: Paired(nothing, nothing) for known in probabilities}
        sample = Sample(MetricInputs(values_N.astype(np.float64), labels_N.astype(np.int8), protein_N))
        functions[name] = drawn_metric(Auprc(NoOptions()), sample)
    drawn = values_drawn(functions, sample.proteins, resamples, seed)
    first = next(iter(functions))
    found = {name: (of(sample.once), drawn[name]) for name, of in functions.items()}
    return {
        name: Paired(Range(value, *percentiles(draws)), difference(found[first], (value, draws)))
        for name, (value, draws) in found.items()
    }


def difference(of: tuple[float, NDArray[np.float64]], minus: tuple[float, NDArray[np.float64]]) -> Range:
    """How far one value is above another, each with its draws: with the interval of the draws' differences."""
    return Range(of[0] - minus[0], *percentiles(of[1] - minus[1]))
