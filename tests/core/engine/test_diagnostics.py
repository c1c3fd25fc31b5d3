"""Each warning appears where its numbers are, with them, and nowhere else."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import pytest

from e1bind.engine.diagnostics import diagnose


def history(fold: int = 1, ion: str = "ZN", **series: list[Any]) -> list[dict[str, Any]]:
    """Rows of one fold and ion; validation metrics are the keys auprc, hra; everything else is training."""
    rows = []
    for index in range(max(map(len, series.values()))):
        head = {"fold": fold, "epoch": index + 1, "ion": ion}
        values = {key: value[index] for key, value in series.items() if index < len(value)}
        metrics = {key: values.pop(key) for key in ("auprc", "hra") if key in values}
        rows += [{**head, "split": "train", **values}, {**head, "split": "valid", **metrics}]
    return rows


HEALTHY = {"loss": [3.0, 2.0, 1.5, 1.4], "auprc": [0.2, 0.4, 0.5, 0.6], "sim_pos|pos": [0.5, 0.6, 0.7, 0.7]}


def test_a_healthy_run_has_no_warnings():
    assert diagnose(history(**HEALTHY)) == []
    assert diagnose(history(**HEALTHY, sim_pos=[0.2, 0.1, 0.1, 0.1], pull_mask_ratio=[0.9, 0.5, 0.4, 0.3])) == []


def test_no_rows_no_warnings():
    assert diagnose([]) == []


def test_negative_similarity_with_stable_metrics_points_to_class_imbalance():
    rows = history(sim_pos=[0.1, -0.2, -0.31], auprc=[0.500, 0.504, 0.502], **{"sim_pos|pos": [0.6, 0.6, 0.6]})
    (message,) = diagnose(rows)
    assert message.startswith("ZN, fold 1: sim_pos is -0.310 (binding residues alone: 0.600)")
    assert "auprc stays within 0.004 over the last 3 epochs" in message
    assert "class imbalance" in message


@pytest.mark.parametrize(
    ("sim_pos", "auprc"),
    [([0.1, 0.1, 0.1], [0.5, 0.5, 0.5]), ([-0.3] * 3, [0.3, 0.4, 0.5]), ([-0.3] * 2, [0.5, 0.5])],
    ids=["not-negative", "not-stable", "too-early"],
)
def test_no_imbalance_warning_otherwise(sim_pos, auprc):
    assert diagnose(history(sim_pos=sim_pos, auprc=auprc)) == []


def test_imbalance_is_not_blamed_where_binding_residues_are_on_the_wrong_side_too():
    rows = history(sim_pos=[-0.2, -0.3, -0.31], auprc=[0.5] * 3, **{"sim_pos|pos": [0.6, 0.1, -0.1]})
    (message,) = diagnose(rows)
    assert "prototype drift" in message


def test_low_auprc_with_an_idle_alignment_loss_says_what_to_raise():
    (message,) = diagnose(history(pull_mask_ratio=[0.4, 0.004], auprc=[0.05, 0.08]))
    assert "auprc is 0.080 with a pull_mask_ratio of 0.0040" in message
    assert "raise losses.prototype-alignment.weight" in message
    assert "eps_pos" in message


def test_binding_residues_that_violate_their_margin_are_told_from_an_idle_loss():
    series = {"pull_mask_ratio": [0.4, 0.03], "auprc": [0.05, 0.08]}
    (failing,) = diagnose(history(**series, **{"pull_mask_ratio|pos": [0.4, 0.98]}))
    assert "98% of the binding residues violate their margin" in failing
    assert "keeps its margin" not in failing
    (idle,) = diagnose(history(**series, **{"pull_mask_ratio|pos": [0.4, 0.02]}))
    assert "nearly every residue keeps its margin" in idle


def test_an_idle_alignment_loss_is_fine_where_auprc_is_high_or_the_loss_still_pulls():
    assert diagnose(history(pull_mask_ratio=[0.4, 0.004], auprc=[0.5, 0.8])) == []
    assert diagnose(history(pull_mask_ratio=[0.4, 0.3], auprc=[0.05, 0.08])) == []


def test_drift_is_the_fall_from_the_best_epoch():
    (message,) = diagnose(history(**{"sim_pos|pos": [0.5, 0.62, 0.3, 0.11]}))
    assert "prototype drift: sim_pos|pos fell from 0.620 in epoch 2 to 0.110 in epoch 4" in message
    assert diagnose(history(**{"sim_pos|pos": [0.5, 0.62, 0.55]})) == []


@pytest.mark.parametrize("bad", [math.nan, math.inf, None])
def test_a_number_that_is_none_is_reported_with_epoch_and_split(bad):
    (message,) = diagnose(history(loss=[1.0, bad]))
    assert "loss (train) is" in message
    assert "in epoch 2" in message
    assert "lower training.learning_rate" in message


def test_losses_are_named_before_metrics_and_the_rest_is_counted():
    (message,) = diagnose(history(loss=[1.0, math.nan], auprc=[None, None]))
    assert message == (
        "ZN, fold 1: loss (train) is nan in epoch 2, and 2 more values; "
        "lower training.learning_rate, or look for damaged input"
    )


def test_the_worst_fold_is_named_and_the_others_are_counted():
    rows = [
        *history(fold=1, **{"sim_pos|pos": [0.6, 0.3]}),
        *history(fold=2, **{"sim_pos|pos": [0.6, 0.1]}),
        *history(fold=3, **{"sim_pos|pos": [0.6, 0.6]}),
    ]
    (message,) = diagnose(rows)
    assert message.startswith("ZN, fold 2 (and 1 other fold): prototype drift")


def test_a_prototype_of_few_residues_says_what_gives_it_more():
    """More of the chains that train, or, where all of them are in it already, more chains."""
    folds = [
        {"fold": 1, "ion": "ZN", "prototype_positives": 40, "proteins": 150},
        {"fold": 2, "ion": "ZN", "prototype_positives": 7, "proteins": 90},
        {"fold": 2, "ion": "CA", "prototype_positives": 50, "proteins": 70},
    ]
    (message,) = diagnose([], folds, 100)
    assert message.startswith("ZN, fold 2: the prototype is the mean of only 7 binding residues")
    assert "raise prototypes.max_samples (now 100, of 150 chains that train)" in message
    (message,) = diagnose([], folds, 150)
    assert "max_samples" not in message
    assert (
        "all 150 chains that train were used: what helps is more labelled chains, or a higher cv.folds" in message
    )
    assert diagnose([], [{"fold": 1, "ion": "ZN", "proteins": 3}]) == []


def test_rows_may_come_in_any_order():
    rows = history(**{"sim_pos|pos": [0.62, 0.5, 0.11]})
    assert diagnose(rows[::-1]) == diagnose(rows)


def test_it_imports_nothing_heavy():
    code = "import sys, e1bind.engine.diagnostics; print([m for m in ('torch', 'matplotlib') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
