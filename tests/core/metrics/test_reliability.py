"""Reliability bins, calibration error and Brier score against scikit-learn and plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from e1bind.errors import DataError
from e1bind.metrics.options import EceOptions, NoOptions
from e1bind.metrics.reliability import Brier, Ece, reliability_bins


def slow_ece(probabilities: np.ndarray, labels: np.ndarray, bins: int) -> float:
    """Bin by bin, (low, high], the first with 0 in it."""
    total = 0.0
    for k in range(bins):
        low, high = np.linspace(0, 1, bins + 1)[k : k + 2]
        inside = [i for i, p in enumerate(probabilities) if low < p <= high or (k == 0 and p == 0)]
        if inside:
            total += abs(sum(int(labels[i]) for i in inside) - sum(probabilities[i] for i in inside))
    return total / len(labels)


@pytest.mark.parametrize("bins", [1, 10, 15])
def test_ece_agrees_with_a_loop_over_the_bins(residues, as_inputs, bins):
    probabilities, labels = residues
    ours = Ece(EceOptions(bins=bins))(as_inputs(probabilities, labels)).value
    assert ours == pytest.approx(slow_ece(probabilities, labels, bins), abs=1e-12)


def test_bins_are_scikit_learns(residues):
    probabilities, labels = residues
    bins = reliability_bins(probabilities, labels, 10)
    observed, predicted = calibration_curve(labels, probabilities, n_bins=10, strategy="uniform")
    filled = bins.counts > 0
    assert bins.counts.sum() == labels.size
    np.testing.assert_allclose(bins.observed[filled], observed, atol=1e-12)
    np.testing.assert_allclose(bins.predicted[filled], predicted, atol=1e-12)
    assert np.isnan(bins.observed[~filled]).all()


def test_brier_is_scikit_learns(residues, as_inputs):
    probabilities, labels = residues
    ours = Brier(NoOptions())(as_inputs(probabilities, labels)).value
    assert ours == pytest.approx(brier_score_loss(labels, probabilities), abs=1e-12)


def test_ece_by_hand(as_inputs):
    # Bin (0.5, 1]: mean 0.75, observed 0.5. Bin [0, 0.5]: mean 0.1, observed 0.
    assert Ece(EceOptions(bins=2))(as_inputs([0.9, 0.6, 0.1, 0.1], [1, 0, 0, 0])).value == pytest.approx(0.175)


def test_lower_is_better():
    assert not Ece(EceOptions()).higher_is_better
    assert not Brier(NoOptions()).higher_is_better


@pytest.mark.parametrize("metric", [Ece(EceOptions()), Brier(NoOptions())])
def test_numbers_that_are_no_probabilities_give_a_reason(metric, as_inputs):
    output = metric(as_inputs([3.2, -1.0], [1, 0]))
    assert np.isnan(output.value)
    assert "outside [0, 1]" in str(output.reason)


def test_a_reliability_diagram_of_nothing_is_refused():
    with pytest.raises(DataError, match="needs residues"):
        reliability_bins([], [], 10)
