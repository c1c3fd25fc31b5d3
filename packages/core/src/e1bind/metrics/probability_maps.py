"""Probability maps: a calibration of any plugin, fitted, held to its contract, and through a file.

A fitted map is plain numbers (no pickle). Shape legend: N scored residues.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from e1bind.contracts import Calibration
from e1bind.errors import DataError, UserError
from e1bind.metrics.base import as_scored, probabilities_fault, why_undefined
from e1bind.plugins.foreign import ForeignError, foreign_code, told
from e1bind.spec import Chosen
from e1bind.spec.named import Named, methods_fault

METHOD = "method"
"""Key of the file that names the calibration; all others are what it fitted."""


class Calibrator:
    """A calibration that a spec has chosen. `method`: its name in files and figures."""

    def __init__(self, chosen: Chosen) -> None:
        component = chosen.component
        self.named = Named.of(chosen)
        self.method = component.name if component.first_party else component.full_name
        self.calibration: Calibration = chosen.build()
        self.named.hold(methods_fault(self.calibration, ["fit", "apply"]))

    def fit(self, probabilities: ArrayLike, labels: ArrayLike) -> ProbabilityMap:
        """Fit on N residues of both classes with probabilities in [0, 1]; `DataError` where that cannot be done."""
        probabilities_N, labels_N = as_scored(probabilities, labels)
        if reason := why_undefined(probabilities_N, labels_N):
            raise DataError(f"cannot fit a {self.method} calibration: {reason}")
        if probabilities_N.min() < 0 or probabilities_N.max() > 1:
            raise DataError(f"cannot fit a {self.method} calibration: some probabilities are outside [0, 1]")
        try:
            with foreign_code():
                fitted = self.calibration.fit(probabilities_N.astype(np.float64), labels_N.astype(np.int8))
        except ForeignError as error:
            raise self.named.error(f"failed fitting: {error}") from error
        self.named.hold(fitted_fault(fitted))
        return ProbabilityMap(self, {name: np.asarray(value).tolist() for name, value in fitted.items()})

    def cross_fitted(self, probabilities: ArrayLike, labels: ArrayLike, fold: ArrayLike) -> NDArray[np.float64]:
        """Calibrated probabilities [N], each from a map fitted on the other folds: fit for judging it."""
        probabilities_N, labels_N = as_scored(probabilities, labels)
        fold_N = np.asarray(fold)
        calibrated_N = np.empty(labels_N.size, dtype=np.float64)
        for held_out in np.unique(fold_N):
            inside_N = fold_N == held_out
            fitted = self.fit(probabilities_N[~inside_N], labels_N[~inside_N])
            calibrated_N[inside_N] = fitted.apply(probabilities_N[inside_N])
        return calibrated_N

    def read(self, values: Mapping[str, Any]) -> ProbabilityMap:
        """What `ProbabilityMap.to_dict` wrote. `DataError` where that is no map of this calibration."""
        again = "fit the calibration again"
        if values.get(METHOD) != self.method:
            raise DataError(f"expected a {self.method} calibration, found {values.get(METHOD)!r}; {again}")
        fitted = {name: value for name, value in values.items() if name != METHOD}
        if fault := fitted_fault(fitted):
            raise DataError(f"the calibration {fault}; {again}")
        found = ProbabilityMap(self, fitted)
        try:
            found.apply([0.0, 1.0])
        except UserError as error:
            raise DataError(f"{error}; {again}") from error
        return found

    def apply(self, fitted: Mapping[str, Any], probabilities: ArrayLike) -> NDArray[np.float64]:
        """Calibrated probabilities in [0, 1], same shape. Raises `ContractError`, or `DataError`."""
        given = np.asarray(probabilities, np.float64)
        try:
            found = self.calibration.apply(fitted, given.ravel())
        except DataError:
            raise
        except Exception as error:  # whatever a plugin raises is its own fault
            raise self.named.error(f"failed being applied: {told(error)}") from error
        self.named.hold(probabilities_fault(found, given.size))
        return np.asarray(found, np.float64).reshape(given.shape)


@dataclass(frozen=True)
class ProbabilityMap:
    """One ion's fitted map."""

    calibrator: Calibrator
    fitted: Mapping[str, Any]

    def apply(self, probabilities: ArrayLike) -> NDArray[np.float64]:
        """Calibrated probabilities in [0, 1] of probabilities in [0, 1], same shape."""
        return self.calibrator.apply(self.fitted, probabilities)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON or YAML; `Calibrator.read` reads them."""
        return {METHOD: self.calibrator.method, **self.fitted}


def fitted_fault(fitted: Any) -> str | None:
    """Whether a calibration fitted named finite numbers or lists of them; in words that go on after its name."""
    if not isinstance(fitted, Mapping) or not all(isinstance(name, str) and name for name in fitted):
        return f"fitted a {type(fitted).__name__}; fit returns a mapping of names to numbers"
    if METHOD in fitted:
        return f"fitted {METHOD!r}, which is the name of a key of its own; take another"
    for name, value in fitted.items():
        plain = np.asarray(value).tolist() if isinstance(value, np.ndarray | np.generic) else value
        if not _finite(plain):
            return f"fitted {name!r} as {json.dumps(plain, default=repr)[:80]}, not finite numbers"
    return None


def _finite(value: Any) -> bool:
    if isinstance(value, list):
        return all(_finite(inner) for inner in value)
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
