"""Per-protein means: a plain loop over proteins, whatever the order of rows."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, matthews_corrcoef, roc_auc_score

from e1bind.metrics.options import DecisionOptions, NoOptions
from e1bind.metrics.per_protein import AuprcPerProtein, AurocPerProtein, F1PerProtein, MccPerProtein

THRESHOLD = 0.4
PEERS = [
    (AuprcPerProtein(NoOptions()), average_precision_score),
    (AurocPerProtein(NoOptions()), roc_auc_score),
    (F1PerProtein(DecisionOptions()), lambda y, p: f1_score(y, p >= THRESHOLD)),
    (MccPerProtein(DecisionOptions()), lambda y, p: matthews_corrcoef(y, p >= THRESHOLD)),
]


@pytest.mark.parametrize(("metric", "peer"), PEERS, ids=[type(metric).__name__ for metric, _ in PEERS])
@pytest.mark.parametrize("shuffled", [False, True])
def test_is_the_mean_over_proteins_with_both_classes(metric, peer, shuffled, as_inputs):
    rng = np.random.default_rng(3)
    protein = np.repeat(np.arange(12), rng.integers(1, 40, size=12))
    labels = (rng.random(protein.size) < 0.15).astype(np.int8)
    labels[protein == 4] = 0  # a protein without positives is left out
    probabilities = np.round(rng.random(protein.size), 2)
    values = [
        peer(labels[protein == p], probabilities[protein == p])
        for p in range(12)
        if len(set(labels[protein == p])) == 2
    ]
    assert 1 < len(values) < 12
    if shuffled:
        order = rng.permutation(protein.size)
        protein, labels, probabilities = protein[order], labels[order], probabilities[order]
    output = metric(as_inputs(probabilities, labels, protein, threshold=THRESHOLD))
    assert output.value == pytest.approx(np.mean(values), abs=1e-12)


def test_without_a_protein_of_both_classes_the_reason_says_so(as_inputs):
    output = AuprcPerProtein(NoOptions())(as_inputs([0.9, 0.8, 0.1], [1, 0, 0], [0, 1, 1]))
    assert math.isnan(output.value)
    assert output.reason == "none of the 2 proteins has residues of both classes"


def test_a_protein_index_of_another_length_is_refused(as_inputs):
    with pytest.raises(ValueError, match="one entry per label"):
        AuprcPerProtein(NoOptions())(as_inputs([0.9, 0.1], [1, 0], [0]))
