"""Every built-in metric: what it is built from, and that it never makes up a number."""

from __future__ import annotations

import importlib
import math
import subprocess
import sys

import numpy as np
import pytest

from e1bind.metrics.catalog import metric_plugins

PLUGINS = {plugin.name: plugin for plugin in metric_plugins()}


def load(path: str):
    module, name = path.split(":")
    return getattr(importlib.import_module(module), name)


def build(name: str):
    plugin = PLUGINS[name]
    return load(plugin.target)(load(plugin.options)())


def test_the_catalog_holds_the_metrics_users_may_name():
    assert list(PLUGINS) == [
        "auprc",
        "auroc",
        "hra",
        "hra-normalised",
        "f1",
        "mcc",
        "precision",
        "recall",
        "balanced-accuracy",
        "ece",
        "brier",
        "auprc-per-protein",
        "auroc-per-protein",
        "f1-per-protein",
        "mcc-per-protein",
    ]


@pytest.mark.parametrize("name", PLUGINS)
def test_random_residues_give_a_finite_python_float_and_no_reason(name, residues, as_inputs):
    probabilities, labels = residues
    output = build(name)(as_inputs(probabilities, labels, threshold=float(probabilities.min())))
    assert type(output.value) is float
    assert math.isfinite(output.value)
    assert output.reason is None


@pytest.mark.parametrize("name", PLUGINS)
@pytest.mark.parametrize(
    ("probabilities", "labels", "words"),
    [
        ([], [], "there are no residues"),
        ([0.4, 0.6], [0, 0], "none of the 2 residues is positive"),
        ([0.4, 0.6], [1, 1], "all 2 residues are positive"),
        ([0.4, np.nan, np.inf], [0, 1, 0], "2 of 3 probabilities are not finite"),
    ],
    ids=["empty", "no-positive", "no-negative", "not-finite"],
)
def test_undefined_is_nan_with_a_reason(name, probabilities, labels, words, as_inputs):
    output = build(name)(as_inputs(probabilities, labels))
    assert math.isnan(output.value)
    assert words in str(output.reason)


@pytest.mark.parametrize("name", PLUGINS)
def test_labels_outside_zero_and_one_are_refused(name, as_inputs):
    with pytest.raises(ValueError, match="label -1 at position 1 is neither 0 nor 1"):
        build(name)(as_inputs([0.4, 0.6, 0.1], [0, -1, 1]))


@pytest.mark.parametrize("name", PLUGINS)
def test_arrays_of_different_length_are_refused(name, as_inputs):
    with pytest.raises(ValueError, match="equally long"):
        build(name)(as_inputs([0.4, 0.6, 0.1], [0, 1]))


@pytest.mark.parametrize("name", PLUGINS)
def test_better_predictions_move_the_metric_the_way_it_says(name, as_inputs):
    rng = np.random.default_rng(0)
    labels = (rng.random(400) < 0.3).astype(np.int8)
    protein = np.repeat(np.arange(4), 100)
    good = np.where(labels == 1, 0.9, 0.1)
    bad = rng.random(400)
    metric = build(name)
    gain = metric(as_inputs(good, labels, protein)).value - metric(as_inputs(bad, labels, protein)).value
    assert gain > 0 if metric.higher_is_better else gain < 0


def test_catalog_and_options_import_nothing_heavy():
    code = (
        "import sys, e1bind.metrics.catalog, e1bind.metrics.options;"
        "print([m for m in ('torch', 'sklearn', 'scipy', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
