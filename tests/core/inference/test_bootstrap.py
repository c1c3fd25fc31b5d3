"""Intervals over proteins, against a resampling written out in loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from resamples import copied_by_hand

from e1bind.contracts import MetricInputs, MetricOutput
from e1bind.inference.bootstrap import intervals
from e1bind.metrics.curves import Auprc
from e1bind.metrics.options import NoOptions


def scored(proteins: int = 24, seed: int = 0) -> MetricInputs:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(5, 40, proteins)
    protein = np.repeat(np.arange(proteins), lengths)
    labels = (rng.random(protein.size) < 0.15).astype(np.int8)
    probabilities = np.round(np.clip(0.3 * labels + rng.random(protein.size) * 0.7, 0, 1), 2)
    order = rng.permutation(protein.size)
    return MetricInputs(probabilities[order], labels[order], protein[order], 0.5)


def test_the_interval_holds_the_value_and_is_that_of_the_percentiles():
    inputs = scored()
    found = intervals({"auprc": Auprc(NoOptions())}, inputs, 200, seed=4)["auprc"]
    rng = np.random.default_rng(4)
    draws = [rng.multinomial(24, np.full(24, 1 / 24)) for _ in range(200)]
    values = [Auprc(NoOptions())(copied_by_hand(inputs, times)).value for times in draws]
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(values, [2.5, 97.5])), abs=1e-9)
    assert found.low < found.value < found.high
    assert found == intervals({"auprc": Auprc(NoOptions())}, inputs, 200, seed=4)["auprc"]


def test_more_proteins_give_narrower_intervals():
    few, many = (intervals({"m": Auprc(NoOptions())}, scored(n), 200)["m"] for n in (20, 320))
    assert many.high - many.low < 0.6 * (few.high - few.low)


def test_one_class_gives_nan_with_the_reason():
    inputs = scored()
    empty = MetricInputs(inputs.probabilities, np.zeros_like(inputs.labels), inputs.protein, 0.5)
    found = intervals({"m": Auprc(NoOptions())}, empty, 20)["m"]
    assert math.isnan(found.value)
    assert math.isnan(found.low)
    assert "none of the" in str(found.reason)


@pytest.mark.parametrize("proteins", [1, 19])
def test_few_proteins_have_a_warning_in_place_of_an_interval(proteins):
    inputs = scored(proteins)
    labels = inputs.labels.copy()
    labels[0] = 1 - labels[0]
    labels[:2] = [0, 1]
    found = intervals({"m": Auprc(NoOptions())}, MetricInputs(inputs.probabilities, labels, inputs.protein), 20)[
        "m"
    ]
    assert not math.isnan(found.value)
    assert math.isnan(found.high)
    assert f"no interval: {proteins} protein" in str(found.reason)
    assert "too few to resample (20 or more)" in str(found.reason)


def test_a_metric_that_is_mostly_undefined_has_no_interval():
    class Odd:
        higher_is_better = True

        def __call__(self, inputs: MetricInputs) -> MetricOutput:
            return MetricOutput(1.0 if (inputs.protein == 0).sum() == first else math.nan, "odd")

    inputs = scored()
    first = int((inputs.protein == 0).sum())
    found = intervals({"odd": Odd()}, inputs, 50)["odd"]
    assert math.isnan(found.low)
    assert "undefined in" in str(found.reason)


def test_no_residues_at_all():
    nothing = MetricInputs(np.empty(0), np.empty(0, np.int8), np.empty(0, np.int64))
    assert math.isnan(intervals({"m": Auprc(NoOptions())}, nothing, 20)["m"].value)
