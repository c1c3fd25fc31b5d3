"""Paired intervals of average precision against scikit-learn on explicit resamples."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from e1bind.metrics.paired import paired_average_precision


def data(seed=0, proteins=24, ties=True):
    rng = np.random.default_rng(seed)
    size = rng.integers(5, 30, proteins)
    protein = np.repeat(np.arange(proteins), size)
    labels = (rng.random(protein.size) < 0.2).astype(np.int8)
    good = np.clip(0.4 * labels + rng.random(protein.size) * 0.6, 0, 1)
    weak = np.clip(0.1 * labels + rng.random(protein.size) * 0.9, 0, 1)
    return (
        {"run": np.round(good, 1) if ties else good, "weak": np.round(weak, 1) if ties else weak},
        labels,
        protein,
    )


@pytest.mark.parametrize("ties", [True, False])
def test_intervals_are_those_of_explicit_resamples(ties):
    values, labels, protein = data(ties=ties)
    found = paired_average_precision(values, labels, protein, resamples=60, seed=4)
    rng = np.random.default_rng(4)
    drawn = {name: [] for name in values}
    for _ in range(60):
        times = rng.multinomial(24, np.full(24, 1 / 24))
        rows = np.concatenate([np.tile(np.flatnonzero(protein == p), n) for p, n in enumerate(times)])
        for name in values:
            drawn[name].append(average_precision_score(labels[rows], values[name][rows]))
    for name in values:
        own = np.array(drawn[name])
        assert found[name].auprc.value == pytest.approx(average_precision_score(labels, values[name]))
        low, high = np.percentile(own, [2.5, 97.5])
        assert (found[name].auprc.low, found[name].auprc.high) == pytest.approx((low, high))
        low, high = np.percentile(np.array(drawn["run"]) - own, [2.5, 97.5])
        assert (found[name].difference.low, found[name].difference.high) == pytest.approx((low, high))
    assert found["run"].difference.value == found["run"].difference.low == found["run"].difference.high == 0


def test_equal_predictions_lie_no_distance_apart():
    values, labels, protein = data()
    found = paired_average_precision({"a": values["run"], "b": values["run"]}, labels, protein, resamples=30)
    assert (found["b"].difference.low, found["b"].difference.high) == (0, 0)


def test_the_order_of_residues_does_not_matter():
    values, labels, protein = data()
    order = np.random.default_rng(1).permutation(labels.size)
    mixed = {name: of[order] for name, of in values.items()}
    assert paired_average_precision(values, labels, protein, 30) == paired_average_precision(
        mixed, labels[order], protein[order], 30
    )


def test_one_class_has_no_value_and_few_proteins_no_interval():
    values, labels, protein = data()
    nothing = paired_average_precision(values, np.zeros_like(labels), protein, 30)
    assert all(math.isnan(of.auprc.value) and math.isnan(of.difference.low) for of in nothing.values())
    for few in (np.zeros_like(protein), protein % 19):
        found = paired_average_precision(values, labels, few, 30)
        assert found["run"].auprc.value > 0
        assert math.isnan(found["run"].auprc.low)
        assert not math.isnan(found["weak"].difference.value)
        assert math.isnan(found["weak"].difference.low)
