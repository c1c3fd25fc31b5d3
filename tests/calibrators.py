"""The built-in calibrations as a run holds them."""

from __future__ import annotations

from functools import cache

from e1bind.metrics.probability_maps import Calibrator
from e1bind.plugins import discover
from e1bind.spec.validation import chosen_alone


@cache
def calibrator(method: str) -> Calibrator:
    """The calibration of that name."""
    chosen = chosen_alone("calibration", {method: {}}, discover())
    assert chosen is not None
    return Calibrator(chosen)
