"""What turns a run's probabilities into calls, and into frequencies: `global_thresholds.yaml`, `calibration.yaml`.

Both hold an entry for each ion; both are made from out-of-fold predictions alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import yaml

from e1bind.errors import DataError, RunError
from e1bind.files.writing import atomic_write_text
from e1bind.metrics.probability_maps import Calibrator, ProbabilityMap
from e1bind.metrics.thresholds import Threshold
from e1bind.runs.layout import RunDir
from e1bind.runs.schemas import CalibrationEntry, ThresholdEntry
from e1bind.runs.seals import read_table


@dataclass(frozen=True, eq=False)
class FittedMap:
    """One ion's calibration map, and ECE and Brier score before and after it."""

    map: ProbabilityMap
    before: Mapping[str, float]
    after: Mapping[str, float]


def write_thresholds(run: RunDir, thresholds: Mapping[str, Threshold]) -> None:
    """For each ion the method, the threshold, metrics and counts at it."""
    text = yaml.safe_dump({ion: t.to_dict() for ion, t in thresholds.items()}, sort_keys=False)
    atomic_write_text(run.thresholds, text)


def read_thresholds(run: RunDir) -> dict[str, ThresholdEntry]:
    """The entries by ion. Raises `RunError`."""
    try:
        return read_table(run.thresholds, ThresholdEntry)
    except FileNotFoundError:
        raise RunError(f"{run.thresholds} is missing") from None


def write_calibration(run: RunDir, fitted: Mapping[str, FittedMap]) -> None:
    """An entry for each ion; without any there is no file."""
    if not fitted:
        run.calibration.unlink(missing_ok=True)
        return
    entries = {
        ion: {"map": of.map.to_dict(), "before": dict(of.before), "after": dict(of.after)}
        for ion, of in fitted.items()
    }
    atomic_write_text(run.calibration, yaml.safe_dump(entries, sort_keys=False))


def read_calibration(run: RunDir, calibrator: Calibrator) -> dict[str, ProbabilityMap]:
    """The maps by ion; empty where there is no file. Raises `RunError`."""
    try:
        entries = read_table(run.calibration, CalibrationEntry)
    except FileNotFoundError:
        return {}
    try:
        return {ion: calibrator.read(entry.map) for ion, entry in entries.items()}
    except DataError as error:
        raise RunError(f"{run.calibration} is damaged: {error}") from error
