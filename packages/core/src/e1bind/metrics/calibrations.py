"""The built-in calibrations: Platt's sigmoid, and isotonic regression.

Shape legend: N scored residues, K knots.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from e1bind.errors import DataError
from e1bind.metrics.options import NoOptions

CLIP = 1e-7
"""Probabilities are kept this far from 0 and 1 before their logit is taken; float32 holds nothing closer to 1."""


class Platt:
    """sigmoid(slope * logit(p) + intercept); slope >= 0, so the ranking is never turned round.

    Logistic regression on the logit with softened targets (Platt 1999, section 2.2): (P + 1) / (P + 2) and
    1 / (N + 2) instead of 1 and 0 keep the slope finite where the classes are separable; each residue enters once
    as positive and once as negative, weighted by its target.
    """

    def __init__(self, options: NoOptions) -> None:
        pass

    def fit(self, probabilities: NDArray[np.float64], labels: NDArray[np.int8]) -> Mapping[str, Any]:
        from sklearn.linear_model import LogisticRegression

        positives = int(np.count_nonzero(labels))
        negatives = labels.size - positives
        target_N = np.where(labels == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))
        score_N1 = _logit(probabilities)[:, None]
        model = LogisticRegression(C=np.inf, tol=1e-8, max_iter=1000)
        model.fit(
            np.concatenate([score_N1, score_N1]),
            np.repeat([1, 0], labels.size),
            sample_weight=np.concatenate([target_N, 1 - target_N]),
        )
        slope, intercept = float(model.coef_[0, 0]), float(model.intercept_[0])
        if slope <= 0:
            # The scores rank the wrong way round: the best rising map is the base rate, as isotonic finds.
            rate = float(target_N.mean())
            return {"slope": 0.0, "intercept": math.log(rate / (1 - rate))}
        return {"slope": slope, "intercept": intercept}

    def apply(self, fitted: Mapping[str, Any], probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """Raises `DataError` for other numbers than `fit` returns."""
        match dict(fitted):
            case {"slope": int() | float() as slope, "intercept": int() | float() as intercept, **rest} if not rest:
                if slope < 0:
                    raise DataError(f"the slope {slope} is negative")
                score = slope * _logit(probabilities) + intercept
                # exp of -|score| cannot overflow.
                tail = np.exp(-np.abs(score))
                return np.where(score >= 0, 1 / (1 + tail), tail / (1 + tail))
        raise DataError(f"expected slope and intercept, found {sorted(map(str, fitted))}")


class Isotonic:
    """A line through K knots, never falling; constant beyond the first and the last. scikit-learn's regression."""

    def __init__(self, options: NoOptions) -> None:
        pass

    def fit(self, probabilities: NDArray[np.float64], labels: NDArray[np.int8]) -> Mapping[str, Any]:
        from sklearn.isotonic import IsotonicRegression

        model = IsotonicRegression(y_min=0.0, y_max=1.0, increasing=True, out_of_bounds="clip")
        model.fit(probabilities, labels)
        return {"inputs": model.X_thresholds_.tolist(), "outputs": model.y_thresholds_.tolist()}

    def apply(self, fitted: Mapping[str, Any], probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """Raises `DataError` for other numbers than `fit` returns."""
        match dict(fitted):
            case {"inputs": list(inputs), "outputs": list(outputs), **rest} if not rest:
                rising = bool(inputs) and all(np.diff(inputs) > 0) and all(np.diff(outputs) >= 0)
                if len(inputs) != len(outputs) or not rising:
                    raise DataError("the knots must rise")
                return np.interp(probabilities, inputs, outputs)
        raise DataError(f"expected lists of inputs and outputs, found {sorted(map(str, fitted))}")


def _logit(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    clipped = np.clip(probabilities, CLIP, 1 - CLIP)
    return np.log(clipped) - np.log1p(-clipped)
