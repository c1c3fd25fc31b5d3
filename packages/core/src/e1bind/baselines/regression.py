"""Logistic regression as the baselines use it: scikit-learn's, kept as plain arrays.

Shape legend: N residues, F features.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 1e-8
"""Where the solver stops: two fits of the same data agree far beyond what metrics show."""
MAX_ITERATIONS = 1000


def fit_logistic(
    features_NF: Any, labels_N: NDArray[np.integer], strength: float, solver: str
) -> Mapping[str, NDArray[np.float64]]:
    """Weights [F] and bias of the fit with L2 penalty 1 / `strength` (scikit-learn's C), the bias unpenalised.

    `features_NF`: an array or a sparse matrix. With one class only, the weights are 0 and the bias its certainty.
    """
    from sklearn.linear_model import LogisticRegression

    classes = np.unique(labels_N)
    if classes.size < 2:
        sure = np.inf if classes.size and classes[0] == 1 else -np.inf
        return {"weights": np.zeros(features_NF.shape[1]), "bias": np.array(np.clip(sure, -700.0, 700.0))}
    model = LogisticRegression(C=strength, solver=solver, tol=TOLERANCE, max_iter=MAX_ITERATIONS)
    model.fit(features_NF, labels_N)
    return {"weights": model.coef_[0].astype(np.float64), "bias": np.array(float(model.intercept_[0]))}


def logistic(logits_N: NDArray[np.floating]) -> NDArray[np.float64]:
    """1 / (1 + exp(-x))."""
    from scipy.special import expit

    return np.asarray(expit(logits_N), np.float64)
