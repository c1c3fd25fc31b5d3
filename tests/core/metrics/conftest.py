"""Random scored residues, with and without ties."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from e1bind.contracts import MetricInputs


def scored(
    probabilities: object, labels: object, protein: object = None, threshold: float | None = None
) -> MetricInputs:
    """Metric inputs from plain lists."""
    labels_N = np.asarray(labels, dtype=np.int8)
    return MetricInputs(
        probabilities=np.asarray(probabilities, dtype=np.float64),
        labels=labels_N,
        protein=np.zeros(labels_N.size, np.int64) if protein is None else np.asarray(protein, np.int64),
        threshold=threshold,
    )


def random_residues(seed: int, size: int, levels: int | None, rate: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (on `levels` distinct values, or all different) and labels; both classes are there."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(size) < rate).astype(np.int8)
    labels[0], labels[1] = 1, 0
    probabilities = 1 / (1 + np.exp(-(rng.normal(size=size) + 1.5 * labels - 1)))
    if levels is not None:
        probabilities = np.round(probabilities * levels) / levels
    return probabilities, labels


CASES = [(seed, size, levels) for seed, size in enumerate((2, 7, 60, 300)) for levels in (None, 3, 20)]


@pytest.fixture(params=CASES, ids=lambda case: f"n{case[1]}-levels{case[2]}")
def residues(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and labels, over sizes and numbers of ties."""
    return random_residues(*request.param)


@pytest.fixture
def as_inputs() -> Callable[..., MetricInputs]:
    """Makes metric inputs of plain lists."""
    return scored
