"""What makes a model's probabilities match frequencies.

Shape legend: N scored residues.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Calibration(Protocol):
    """A monotone map from a model's probability to one that can be taken at its word. Built as `target(options)`.

    It is fitted on out-of-fold predictions of an ion, never on test data.
    """

    def fit(self, probabilities: NDArray[np.float64], labels: NDArray[np.int8]) -> Mapping[str, Any]:
        """The map, as named finite numbers or lists of them; nothing else is kept of it.

        `probabilities` [N] in [0, 1], `labels` [N] of 0 and 1, both of which occur.
        """
        ...

    def apply(self, fitted: Mapping[str, Any], probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """Calibrated probabilities [N] in [0, 1] by what `fit` returned (as JSON keeps it); it never falls."""
        ...
