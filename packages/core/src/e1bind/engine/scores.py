"""Scores of residues outside of tensors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Scores = dict[str, NDArray[np.float32]]
"""Score (logit) of each residue, by chain id."""


def probabilities(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logistic function of scores, worked out in float64; the same for every use."""
    with np.errstate(over="ignore"):  # exp of a large number is inf, and 1 / inf the right 0
        return (1.0 / (1.0 + np.exp(-scores.astype(np.float64)))).astype(np.float32)
