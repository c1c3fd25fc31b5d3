"""Threshold search against brute force over every distinct score."""

from __future__ import annotations

import json

import numpy as np
import pytest
import yaml
from sklearn.metrics import f1_score, matthews_corrcoef, recall_score

from e1bind.errors import DataError
from e1bind.metrics.thresholds import choose_threshold, threshold_curve, threshold_text


def youden(labels: np.ndarray, called: np.ndarray) -> float:
    return recall_score(labels, called) + recall_score(1 - labels, ~called) - 1


JUDGES = {"youden": youden, "f1": f1_score, "mcc": matthews_corrcoef}


@pytest.mark.parametrize("method", JUDGES)
def test_no_distinct_score_does_better_and_no_higher_one_as_well(method, residues):
    probabilities, labels = residues
    chosen = choose_threshold(probabilities, labels, method)
    candidates = np.unique(probabilities)[::-1]
    values = np.array([JUDGES[method](labels, probabilities >= t) for t in candidates])
    assert chosen.value == pytest.approx(values.max(), abs=1e-12)
    assert chosen.threshold == candidates[np.argmax(values >= values.max() - 1e-12)]


@pytest.mark.parametrize("method", JUDGES)
def test_counts_and_ratios_are_those_at_the_threshold(method, residues):
    probabilities, labels = residues
    chosen = choose_threshold(probabilities, labels, method)
    called = probabilities >= chosen.threshold
    counts = chosen.to_dict()["counts"]
    assert counts == {
        "tp": int((called & (labels == 1)).sum()),
        "fp": int((called & (labels == 0)).sum()),
        "fn": int((~called & (labels == 1)).sum()),
        "tn": int((~called & (labels == 0)).sum()),
    }
    assert chosen.metrics()[method] == pytest.approx(chosen.value, abs=1e-12)


@pytest.mark.parametrize("method", JUDGES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_same_residues_are_called_after_yaml_and_json(method, dtype):
    rng = np.random.default_rng(5)
    labels = (rng.random(500) < 0.1).astype(np.int8)
    # Tiny and awkward numbers: 1e-7 is where YAML readers take a number for text.
    probabilities = (rng.random(500) ** 6 * 1e-5 + labels * 1e-7).astype(dtype)
    chosen = choose_threshold(probabilities, labels, method)
    for text_of, read in ((yaml.safe_dump, yaml.safe_load), (json.dumps, json.loads)):
        back = read(text_of({"ZN": chosen.to_dict()}))["ZN"]
        assert back == chosen.to_dict()
        called = probabilities >= back["threshold"]
        assert int(called.sum()) == chosen.counts.calls


def test_ties_go_to_the_highest_threshold():
    # Calling one or both positives-and-negatives pairs gives J = 0.5 either way.
    chosen = choose_threshold([0.9, 0.8, 0.7, 0.1], [1, 0, 1, 0], "youden")
    assert chosen.value == pytest.approx(0.5)
    assert chosen.threshold == 0.9


def test_a_perfect_ranking_is_cut_at_the_lowest_positive():
    for method in JUDGES:
        chosen = choose_threshold([0.9, 0.6, 0.3, 0.2], [1, 1, 0, 0], method)
        assert (chosen.threshold, chosen.value) == (0.6, 1.0)


def test_constant_scores_call_everything_and_say_it_is_worth_nothing():
    chosen = choose_threshold([0.4] * 6, [1, 0, 0] * 2, "youden")
    assert (chosen.threshold, chosen.value, chosen.counts.calls) == (0.4, 0.0, 6)


def test_row_order_has_no_effect(residues):
    probabilities, labels = residues
    order = np.random.default_rng(0).permutation(labels.size)
    for method in JUDGES:
        assert choose_threshold(probabilities, labels, method) == choose_threshold(
            probabilities[order], labels[order], method
        )


@pytest.mark.parametrize(
    ("probabilities", "labels", "words"),
    [
        ([], [], "there are no residues"),
        ([0.2, 0.4], [0, 0], "none of the 2 residues is positive"),
        ([0.2, 0.4], [1, 1], "all 2 residues are positive"),
        ([0.2, np.nan], [1, 0], "1 of 2 probabilities are not finite"),
    ],
)
def test_nothing_to_choose_from_is_an_error_with_the_reason(probabilities, labels, words):
    with pytest.raises(DataError, match=words):
        choose_threshold(probabilities, labels, "f1")


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError, match="no threshold method 'accuracy'"):
        choose_threshold([0.2, 0.4], [0, 1], "accuracy")


def test_the_curve_holds_the_metrics_at_each_threshold(residues):
    probabilities, labels = residues
    thresholds = np.linspace(0, 1, 7)
    curve = threshold_curve(probabilities, labels, thresholds)
    for method, judge in JUDGES.items():
        expected = [judge(labels, probabilities >= t) for t in thresholds]
        np.testing.assert_allclose(curve[method], expected, atol=1e-12)


@pytest.mark.parametrize(
    ("threshold", "text"),
    [
        (0.5, "0.5"),
        (0.12345, "0.123"),
        (0.98765, "0.988"),
        (0.99996, "0.99996"),
        (0.9999887, "0.9999887"),
        (1.0, "1"),
    ],
)
def test_a_threshold_is_told_from_1(threshold, text):
    assert threshold_text(threshold) == text
