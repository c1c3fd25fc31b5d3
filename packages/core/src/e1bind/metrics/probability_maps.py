"""Calibration: a monotone map from a model's probability to one that can be taken at its word.

Fitted on out-of-fold predictions, never on test data. A fitted map is plain numbers (no pickle): a slope and an
intercept, or the knots of a step-wise line.

Shape legend: N scored residues, K knots.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from e1bind.errors import DataError
from e1bind.metrics.base import as_scored, why_undefined

CalibrationMethod = Literal["platt", "isotonic"]
CLIP = 1e-7
"""Probabilities are kept this far from 0 and 1 before their logit is taken; float32 holds nothing closer to 1."""


class Calibration(Protocol):
    """A fitted calibration map."""

    def apply(self, probabilities: ArrayLike) -> NDArray[np.float64]:
        """Calibrated probabilities in [0, 1] of probabilities in [0, 1], same shape."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON or YAML; `calibration_from_dict` reads them."""
        ...


def _logit(probabilities: ArrayLike) -> NDArray[np.float64]:
    clipped = np.clip(np.asarray(probabilities, dtype=np.float64), CLIP, 1 - CLIP)
    return np.log(clipped) - np.log1p(-clipped)


@dataclass(frozen=True)
class PlattCalibration:
    """sigmoid(slope * logit(p) + intercept); slope >= 0, so the ranking is never turned round."""

    slope: float
    intercept: float

    def apply(self, probabilities: ArrayLike) -> NDArray[np.float64]:
        score = self.slope * _logit(probabilities) + self.intercept
        # exp of -|score| cannot overflow.
        tail = np.exp(-np.abs(score))
        return np.where(score >= 0, 1 / (1 + tail), tail / (1 + tail))

    def to_dict(self) -> dict[str, Any]:
        return {"method": "platt", "slope": self.slope, "intercept": self.intercept}


@dataclass(frozen=True)
class IsotonicCalibration:
    """A line through K knots, never falling; constant beyond the first and the last."""

    inputs: tuple[float, ...]
    outputs: tuple[float, ...]

    def apply(self, probabilities: ArrayLike) -> NDArray[np.float64]:
        return np.interp(np.asarray(probabilities, dtype=np.float64), self.inputs, self.outputs)

    def to_dict(self) -> dict[str, Any]:
        return {"method": "isotonic", "inputs": list(self.inputs), "outputs": list(self.outputs)}


def fit_calibration(probabilities: ArrayLike, labels: ArrayLike, method: CalibrationMethod) -> Calibration:
    """Fit on N residues of both classes with probabilities in [0, 1]; `DataError` where that cannot be done."""
    if method not in ("platt", "isotonic"):
        raise ValueError(f"no calibration method {method!r}; there are platt, isotonic")
    probabilities_N, labels_N = as_scored(probabilities, labels)
    if reason := why_undefined(probabilities_N, labels_N):
        raise DataError(f"cannot fit a {method} calibration: {reason}")
    if probabilities_N.min() < 0 or probabilities_N.max() > 1:
        raise DataError(f"cannot fit a {method} calibration: some probabilities are outside [0, 1]")
    return _fit_platt(probabilities_N, labels_N) if method == "platt" else _fit_isotonic(probabilities_N, labels_N)


def _fit_platt(probabilities_N: NDArray[np.floating], labels_N: NDArray[np.integer]) -> PlattCalibration:
    """Logistic regression on the logit with Platt's softened targets (Platt 1999, section 2.2).

    Targets (P + 1) / (P + 2) and 1 / (N + 2) instead of 1 and 0 keep the slope finite where the classes are
    separable; each residue enters once as positive and once as negative, weighted by its target.
    """
    from sklearn.linear_model import LogisticRegression

    positives = int(np.count_nonzero(labels_N))
    negatives = labels_N.size - positives
    target_N = np.where(labels_N == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    score_N1 = _logit(probabilities_N)[:, None]
    model = LogisticRegression(C=np.inf, tol=1e-8, max_iter=1000)
    model.fit(
        np.concatenate([score_N1, score_N1]),
        np.repeat([1, 0], labels_N.size),
        sample_weight=np.concatenate([target_N, 1 - target_N]),
    )
    slope, intercept = float(model.coef_[0, 0]), float(model.intercept_[0])
    if slope <= 0:
        # The scores rank the wrong way round: the best rising map is the base rate, as isotonic regression finds.
        rate = float(target_N.mean())
        return PlattCalibration(0.0, math.log(rate / (1 - rate)))
    return PlattCalibration(slope, intercept)


def _fit_isotonic(probabilities_N: NDArray[np.floating], labels_N: NDArray[np.integer]) -> IsotonicCalibration:
    from sklearn.isotonic import IsotonicRegression

    model = IsotonicRegression(y_min=0.0, y_max=1.0, increasing=True, out_of_bounds="clip")
    model.fit(probabilities_N.astype(np.float64), labels_N)
    return IsotonicCalibration(tuple(model.X_thresholds_.tolist()), tuple(model.y_thresholds_.tolist()))


def cross_fitted(
    probabilities: ArrayLike, labels: ArrayLike, fold: ArrayLike, method: CalibrationMethod
) -> NDArray[np.float64]:
    """Calibrated probabilities [N], each from a map fitted on the other folds: fit for judging the calibration."""
    probabilities_N, labels_N = as_scored(probabilities, labels)
    fold_N = np.asarray(fold)
    calibrated_N = np.empty(labels_N.size, dtype=np.float64)
    for held_out in np.unique(fold_N):
        inside_N = fold_N == held_out
        fitted = fit_calibration(probabilities_N[~inside_N], labels_N[~inside_N], method)
        calibrated_N[inside_N] = fitted.apply(probabilities_N[inside_N])
    return calibrated_N


def calibration_from_dict(values: Mapping[str, Any]) -> Calibration:
    """What `to_dict` wrote. `DataError` where the numbers are no calibration map."""
    match dict(values):
        case {"method": "platt", "slope": slope, "intercept": intercept, **rest} if not rest:
            slope, intercept = _numbers([slope, intercept])
            if slope < 0:
                raise DataError(f"calibration: the slope {slope} is negative; fit the calibration again")
            return PlattCalibration(slope, intercept)
        case {"method": "isotonic", "inputs": list(inputs), "outputs": list(outputs), **rest} if not rest:
            return _isotonic(_numbers(inputs), _numbers(outputs))
    raise DataError(
        "calibration: expected {method: platt, slope, intercept} or {method: isotonic, inputs, outputs}, "
        f"found the keys {sorted(map(str, values))}; fit the calibration again"
    )


def _numbers(values: list[Any]) -> list[float]:
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise DataError(f"calibration: {value!r} is not a finite number; fit the calibration again")
    return [float(value) for value in values]


def _isotonic(inputs: list[float], outputs: list[float]) -> IsotonicCalibration:
    rising = bool(inputs) and all(np.diff(inputs) > 0) and all(np.diff(outputs) >= 0)
    within = all(0 <= value <= 1 for value in outputs)
    if len(inputs) != len(outputs) or not rising or not within:
        raise DataError("calibration: the isotonic knots must rise, within [0, 1]; fit the calibration again")
    return IsotonicCalibration(tuple(inputs), tuple(outputs))
