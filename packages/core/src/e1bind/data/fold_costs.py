"""What a plan of folds costs.

Shape legend: F folds, Q quantities to balance.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from e1bind.data.groups import PER_ION

Floats = NDArray[np.float64]

NOTHING = 1e-9
"""A share of positives below this is rounding, not a residue."""
LACKING = 1e3
"""Surcharge for an ion without positives in a fold."""
GAIN = 1e-12
"""Smaller gains are rounding, and would let a search go round in circles."""
POSITIVES = slice(2, None, PER_ION)
"""The positives among the quantities."""


def cost(load_FQ: Floats, lacking: bool = True) -> Floats:
    """Cost of each fold [F]: squared shares, and a surcharge for each ion it has no positives of.

    `lacking` false: it is known that all folds have positives of every ion.
    """
    squares_F: Floats = np.add.reduce(np.square(load_FQ), axis=-1)
    if not lacking:
        return squares_F
    return squares_F + LACKING * (load_FQ[..., POSITIVES] < NOTHING).sum(-1)


def growth(load_FQ: Floats, share_Q: Floats) -> Floats:
    """How much the cost of each fold grows by a group with these shares, [F]."""
    return cost(load_FQ + share_Q) - cost(load_FQ)


def rounding(load_FQ: Floats) -> float:
    """More than the rounding errors of an estimate and of the cost together."""
    quantities = load_FQ.shape[1]
    lacking = int((load_FQ[:, POSITIVES] < NOTHING).sum())
    return float(16 * (quantities + 16) * np.finfo(float).eps * (quantities + LACKING * lacking))
