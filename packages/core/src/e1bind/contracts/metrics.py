"""Figures of merit.

Shape legend: N scored residues.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class MetricInputs:
    """Scored residues of one ion.

    `probabilities` float64 [N] in [0, 1], `labels` int8 [N] of 0 or 1, `protein` int64 [N] index of the
    residue's protein, `threshold` the decision threshold, or None where none was chosen.
    """

    probabilities: NDArray[np.float64]
    labels: NDArray[np.int8]
    protein: NDArray[np.int64]
    threshold: float | None = None


@dataclass(frozen=True)
class MetricOutput:
    """A number, or NaN with the reason why there is none."""

    value: float
    reason: str | None = None


class Metric(Protocol):
    """A figure of merit. Built as `target(options)`."""

    higher_is_better: bool

    def __call__(self, inputs: MetricInputs) -> MetricOutput: ...
