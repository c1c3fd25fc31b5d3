"""Metrics of calls: scikit-learn's numbers, the boundary, and what happens without calls."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import (
    balanced_accuracy_score,
    f1_score,
    matthews_corrcoef,
    precision_score,
    recall_score,
)

from e1bind.metrics.confusion import confusion_at
from e1bind.metrics.decisions import F1, BalancedAccuracy, Mcc, Precision, Recall
from e1bind.metrics.options import DecisionOptions

PEERS = [
    (F1, f1_score),
    (Mcc, matthews_corrcoef),
    (Precision, lambda y, c: precision_score(y, c, zero_division=np.nan)),
    (Recall, recall_score),
    (BalancedAccuracy, balanced_accuracy_score),
]


@pytest.mark.parametrize(("ours", "peer"), PEERS, ids=[ours.__name__ for ours, _ in PEERS])
@pytest.mark.parametrize("threshold", [0.0, 0.2, 0.5, 0.65, 1.0])
def test_agrees_with_scikit_learn(ours, peer, threshold, residues, as_inputs):
    probabilities, labels = residues
    value = ours(DecisionOptions())(as_inputs(probabilities, labels, threshold=threshold)).value
    expected = peer(labels, probabilities >= threshold)
    assert value == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_a_probability_at_the_threshold_is_called(as_inputs):
    assert Recall(DecisionOptions())(as_inputs([0.3, 0.1], [1, 0], threshold=0.3)).value == 1.0


def test_without_a_chosen_threshold_the_options_default_is_used(as_inputs):
    inputs = as_inputs([0.45, 0.3], [1, 0])
    assert Recall(DecisionOptions())(inputs).value == 0.0
    assert Recall(DecisionOptions(default_threshold=0.4))(inputs).value == 1.0


def test_without_calls_precision_is_nan_with_a_reason_and_mcc_and_f1_are_zero(as_inputs):
    inputs = as_inputs([0.2, 0.1], [1, 0], threshold=0.9)
    precision = Precision(DecisionOptions())(inputs)
    assert math.isnan(precision.value)
    assert "no residue is called at the threshold 0.9" in str(precision.reason)
    assert Mcc(DecisionOptions())(inputs).value == 0.0
    assert F1(DecisionOptions())(inputs).value == 0.0


def test_a_double_threshold_is_not_rounded_to_float32_probabilities():
    just_below = np.array([0.1], dtype=np.float32)
    threshold = float(just_below[0]) + 1e-12
    assert confusion_at(just_below, np.array([1]), threshold).calls == 0


def test_mcc_does_not_overflow_at_ten_million_residues():
    from e1bind.metrics.confusion import Confusion

    assert Confusion(tp=10**6, fp=0, fn=0, tn=9 * 10**6).mcc() == pytest.approx(1.0)
