"""Areas under curves: scikit-learn's numbers, ties and row order included, and the traps HRA has."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from e1bind.metrics.curves import Auprc, Auroc, Hra, HraNormalised
from e1bind.metrics.options import HraOptions, NoOptions

HRA = Hra(HraOptions())


def slow_high_recall_area(probabilities: np.ndarray, labels: np.ndarray, min_recall: float) -> float:
    """Trapezoid by trapezoid along scikit-learn's curve, in the curve's own order."""
    precision, recall, _ = precision_recall_curve(labels, probabilities)
    points = list(zip(recall[::-1], precision[::-1], strict=True))
    area = 0.0
    for (r1, p1), (r2, p2) in pairwise(points):
        if r2 <= min_recall or r2 == r1:
            continue
        left = max(r1, min_recall)
        at_left = p1 + (p2 - p1) * (left - r1) / (r2 - r1)
        area += (r2 - left) * (at_left + p2) / 2
    return area


def test_auprc_is_scikit_learns_average_precision(residues, as_inputs):
    probabilities, labels = residues
    ours = Auprc(NoOptions())(as_inputs(probabilities, labels)).value
    assert ours == pytest.approx(average_precision_score(labels, probabilities), abs=1e-12)


def test_auroc_is_scikit_learns(residues, as_inputs):
    probabilities, labels = residues
    ours = Auroc(NoOptions())(as_inputs(probabilities, labels)).value
    assert ours == pytest.approx(roc_auc_score(labels, probabilities), abs=1e-12)


@pytest.mark.parametrize("min_recall", [0.0, 0.31, 0.7, 0.95])
def test_hra_is_the_area_along_scikit_learns_curve(residues, as_inputs, min_recall):
    probabilities, labels = residues
    ours = Hra(HraOptions(min_recall=min_recall))(as_inputs(probabilities, labels)).value
    assert ours == pytest.approx(slow_high_recall_area(probabilities, labels, min_recall), abs=1e-12)


@pytest.mark.parametrize("positives", [1, 2, 3, 7, 10, 100])
@pytest.mark.parametrize("tied", [False, True])
def test_a_perfect_ranking_has_hra_of_three_tenths(positives, tied, as_inputs):
    high = np.full(positives, 0.9) if tied else np.linspace(0.8, 0.9, positives)
    probabilities = np.concatenate([high, np.linspace(0, 0.5, 500)])
    labels = [1] * positives + [0] * 500
    inputs = as_inputs(probabilities, labels)
    assert HRA(inputs).value == pytest.approx(0.3, abs=1e-12)
    assert HraNormalised(HraOptions())(inputs).value == pytest.approx(1.0, abs=1e-12)


def test_hra_by_hand_with_the_band_starting_inside_a_step(as_inputs):
    # Curve: (0, 1) -> (1/2, 1) -> (1/2, 1/2) -> (1, 2/3). At recall 0.7 precision is 1/2 + 0.4 * 1/6.
    at_band = 0.5 + 0.4 / 6
    expected = 0.3 * (at_band + 2 / 3) / 2
    assert HRA(as_inputs([0.9, 0.8, 0.7], [1, 0, 1])).value == pytest.approx(expected, abs=1e-15)


def test_constant_scores_leave_the_line_down_to_the_positive_rate(as_inputs):
    # Curve: (0, 1) -> (1, 1/4); at recall 0.7 precision is 1 - 0.7 * 3/4.
    expected = 0.3 * ((1 - 0.7 * 0.75) + 0.25) / 2
    assert HRA(as_inputs([0.5] * 8, [1, 0, 0, 0] * 2)).value == pytest.approx(expected, abs=1e-15)


def test_a_reversed_ranking_scores_low_but_not_zero(as_inputs):
    inputs = as_inputs([0.9, 0.8, 0.7, 0.1], [0, 0, 0, 1])
    assert Auroc(NoOptions())(inputs).value == 0.0
    assert Auprc(NoOptions())(inputs).value == pytest.approx(0.25)
    assert HRA(inputs).value == pytest.approx(
        slow_high_recall_area(np.array([0.9, 0.8, 0.7, 0.1]), [0, 0, 0, 1], 0.7)
    )


@pytest.mark.parametrize("metric", [Auprc(NoOptions()), Auroc(NoOptions()), HRA])
def test_row_order_has_no_effect_bit_for_bit(metric, residues, as_inputs):
    probabilities, labels = residues
    value = metric(as_inputs(probabilities, labels)).value
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(labels.size)
        assert metric(as_inputs(probabilities[order], labels[order])).value == value


def test_float32_scores_and_their_float64_copies_agree_and_close_doubles_stay_apart(as_inputs):
    rng = np.random.default_rng(0)
    labels = (rng.random(5000) < 0.1).astype(np.int8)
    narrow = rng.random(5000, dtype=np.float32)
    auprc = Auprc(NoOptions())
    expected = average_precision_score(labels, narrow)
    assert auprc(as_inputs(narrow, labels)).value == pytest.approx(expected, abs=1e-12)
    # Differences float32 cannot hold still rank.
    assert auprc(as_inputs([0.5 + 1e-12, 0.5], [1, 0])).value == 1.0
    assert auprc(as_inputs([0.5 + 1e-12, 0.5], [0, 1])).value == 0.5


def test_negative_zero_ties_with_zero(as_inputs):
    assert Auroc(NoOptions())(as_inputs([0.0, -0.0], [1, 0])).value == 0.5


@pytest.mark.slow
def test_two_million_residues_with_ties_agree_with_scikit_learn(as_inputs):
    rng = np.random.default_rng(1)
    labels = (rng.random(2_000_000) < 0.016).astype(np.int8)
    probabilities = np.round(rng.beta(1 + labels, 4), 5).astype(np.float32)
    inputs = as_inputs(probabilities, labels)
    assert Auprc(NoOptions())(inputs).value == pytest.approx(
        average_precision_score(labels, probabilities), abs=1e-12
    )
    assert Auroc(NoOptions())(inputs).value == pytest.approx(roc_auc_score(labels, probabilities), abs=1e-12)
    assert HRA(inputs).value == pytest.approx(slow_high_recall_area(probabilities, labels, 0.7), abs=1e-12)
