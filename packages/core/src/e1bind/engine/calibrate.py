"""Calibration of a run: one map per ion, fitted on out-of-fold predictions and kept in `calibration.yaml`.

How good a map is shows only on residues it was not fitted on: the figures after calibration come from maps that are
each fitted without the fold they are judged on. The map that is kept is fitted on all folds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from e1bind.contracts import Metric, MetricInputs
from e1bind.engine.oof import Table, rows_of
from e1bind.engine.rundir import atomic_write
from e1bind.errors import DataError, RunError
from e1bind.metrics.calibration import (
    Calibration,
    CalibrationMethod,
    calibration_from_dict,
    cross_fitted,
    fit_calibration,
)
from e1bind.metrics.options import EceOptions, NoOptions
from e1bind.metrics.reliability import Brier, Ece

CALIBRATION = "calibration.yaml"


def calibrate_run(run: Path, table: Table, ions: list[str], method: str, metrics: Iterable[Metric] = ()) -> None:
    """Fit and write `calibration.yaml`; with method "none" there is none. Raises `DataError`.

    The calibration error is measured with the bins of the run's own `metrics`, where it is one of them.
    """
    target = run / CALIBRATION
    if method == "none":
        target.unlink(missing_ok=True)
        return
    ece = next((metric for metric in metrics if isinstance(metric, Ece)), Ece(EceOptions()))
    fitted = {ion: _fitted(table, ion, _known(method), ece) for ion in ions}
    text = yaml.safe_dump(fitted, sort_keys=False)
    atomic_write(target, lambda path: path.write_text(text, encoding="utf-8"))


def _fitted(table: Table, ion: str, method: CalibrationMethod, ece: Ece) -> dict[str, Any]:
    rows = rows_of(table, ion)
    after = cross_fitted_rows(table, ion, method)
    return {
        "map": fit_calibration(rows.probabilities, rows.labels, method).to_dict(),
        "before": _quality(rows, ece),
        "after": _quality(MetricInputs(after, rows.labels, rows.protein), ece),
    }


def cross_fitted_rows(table: Table, ion: str, method: CalibrationMethod) -> NDArray[np.float64]:
    """Calibrated probabilities of the labelled rows of an ion, each from a map fitted on the other folds."""
    keep = (table["ion"] == ion) & (table["label"] >= 0)
    return cross_fitted(table["probability"][keep], table["label"][keep], table["fold"][keep], method)


def _quality(rows: MetricInputs, ece: Ece) -> dict[str, float]:
    return {"ece": ece(rows).value, "brier": Brier(NoOptions())(rows).value}


def read_calibration(run: Path) -> dict[str, Calibration]:
    """The maps of a run by ion; empty for a run without calibration. Raises `RunError` for a damaged file."""
    path = run / CALIBRATION
    try:
        stored = yaml.safe_load(path.read_text(encoding="utf-8"))
        return {ion: calibration_from_dict(entry["map"]) for ion, entry in _entries(stored).items()}
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError, DataError, KeyError, TypeError) as error:
        raise RunError(f"{path} is damaged and cannot be read: {error}") from error


def calibration_methods(run: Path) -> dict[str, CalibrationMethod]:
    """Method of each ion's map."""
    return {ion: _known(fitted.to_dict()["method"]) for ion, fitted in read_calibration(run).items()}


def _entries(stored: Any) -> Mapping[str, Any]:
    if not isinstance(stored, Mapping):
        raise TypeError("an entry for each ion is expected")
    return stored


def _known(method: str) -> CalibrationMethod:
    return "platt" if method == "platt" else "isotonic"
