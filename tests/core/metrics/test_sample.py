"""Metrics of drawn proteins, against metrics of residues that a loop copies."""

from __future__ import annotations

import importlib
import math

import numpy as np
import pytest
from resamples import copied_by_hand

from e1bind.contracts import MetricInputs, MetricOutput
from e1bind.metrics.base import drawn_metric
from e1bind.metrics.catalog import metric_plugins
from e1bind.metrics.curves import Auprc
from e1bind.metrics.options import EceOptions, NoOptions
from e1bind.metrics.reliability import Ece
from e1bind.metrics.sample import Sample

PROTEINS = 12


def built(target: str):
    module, name = target.split(":")
    return getattr(importlib.import_module(module), name)


METRICS = {plugin.name: built(plugin.target)(built(plugin.options)()) for plugin in metric_plugins()}


def scored(seed: int = 0, digits: int = 2, threshold: float | None = 0.5) -> MetricInputs:
    """Residues of twelve proteins in no order, with ties; the last protein has no positive."""
    rng = np.random.default_rng(seed)
    protein = np.repeat(np.arange(PROTEINS), rng.integers(5, 40, PROTEINS))
    labels = ((rng.random(protein.size) < 0.15) & (protein < PROTEINS - 1)).astype(np.int8)
    labels[0] = 1
    probabilities = np.round(np.clip(0.3 * labels + rng.random(protein.size) * 0.7, 0, 1), digits)
    order = rng.permutation(protein.size)
    return MetricInputs(probabilities[order], labels[order], protein[order], threshold)


def drawn_times(seed: int, draws: int = 6) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.multinomial(PROTEINS, np.full(PROTEINS, 1 / PROTEINS)) for _ in range(draws)]


@pytest.mark.parametrize("digits", [1, 2, 9])
@pytest.mark.parametrize("name", METRICS)
def test_every_metric_measures_a_draw_as_one_put_together_by_hand(name, digits):
    inputs = scored(digits=digits)
    of = drawn_metric(METRICS[name], Sample(inputs))
    for times in drawn_times(3):
        assert of(times) == pytest.approx(
            METRICS[name](copied_by_hand(inputs, times)).value, abs=1e-12, nan_ok=True
        )
    assert of(np.ones(PROTEINS, np.int64)) == pytest.approx(METRICS[name](inputs).value, abs=1e-12)


@pytest.mark.parametrize("name", METRICS)
def test_a_draw_of_one_class_has_no_value(name):
    inputs = scored()
    only_last = np.zeros(PROTEINS, np.int64)
    only_last[-1] = PROTEINS
    assert math.isnan(drawn_metric(METRICS[name], Sample(inputs))(only_last))


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_values_that_are_no_numbers_have_no_value(name, wrong):
    inputs = scored()
    inputs.probabilities[3] = wrong
    assert math.isnan(drawn_metric(METRICS[name], Sample(inputs))(drawn_times(1)[0]))


def test_scores_outside_0_and_1_have_no_calibration_error():
    inputs = scored()
    inputs.probabilities[3] = 1.5
    assert math.isnan(drawn_metric(Ece(EceOptions()), Sample(inputs))(np.ones(PROTEINS, np.int64)))


def test_without_a_threshold_calls_begin_at_the_default():
    inputs = scored(threshold=None)
    times = drawn_times(2)[0]
    f1 = METRICS["f1"]
    assert drawn_metric(f1, Sample(inputs))(times) == pytest.approx(f1(copied_by_hand(inputs, times)).value)


def test_the_copies_are_those_made_by_hand():
    inputs = scored()
    for times in drawn_times(5):
        fast, slow = Sample(inputs).copied(times), copied_by_hand(inputs, times)
        assert np.bincount(fast.protein).tolist() == np.bincount(slow.protein).tolist()
        assert sorted(zip(fast.probabilities, fast.labels, strict=True)) == sorted(
            zip(slow.probabilities, slow.labels, strict=True)
        )


def test_a_metric_that_inherits_from_ours_is_asked_for_its_own_measure():
    class Halved(Auprc):
        def measure(self, inputs: MetricInputs) -> MetricOutput:
            return MetricOutput(super().measure(inputs).value / 2)

    inputs, times = scored(), drawn_times(4)[0]
    halved = drawn_metric(Halved(NoOptions()), Sample(inputs))(times)
    assert halved == pytest.approx(drawn_metric(Auprc(NoOptions()), Sample(inputs))(times) / 2)
