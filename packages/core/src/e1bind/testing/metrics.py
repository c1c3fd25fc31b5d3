"""Checks of metrics: direction, order, ties, and what there is no number for.

Shape legend: N scored residues.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from e1bind.contracts import MetricInputs, MetricOutput
from e1bind.engine.contract_faults import metric_output_fault
from e1bind.testing.check import Broken, Checks
from e1bind.testing.subject import Subject

CHECKS = Checks(always=("builds",))
NUMBER, ORDER = "returns-a-number", "order-does-not-matter"


def residues(count: int = 240, proteins: int = 6) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    """Labels [N], a quarter of them 1 and both classes in every protein, and the proteins [N]."""
    labels = (np.arange(count) % 4 == 0).astype(np.int8)
    return labels, np.arange(count) * proteins // count


def scored(probabilities: NDArray[np.float64], threshold: float | None = 0.5) -> MetricInputs:
    """The kit's residues with these probabilities."""
    labels, protein = residues(len(probabilities))
    return MetricInputs(probabilities, labels, protein, threshold)


def predictions() -> dict[str, NDArray[np.float64]]:
    """Probabilities [N] by name: right ones, wrong ones and others between; no two are equal within one."""
    labels, _ = residues()
    rng = np.random.default_rng(7)
    jitter = rng.permutation(len(labels)) / len(labels) * 0.1
    signal = labels + rng.normal(0, 0.7, len(labels))
    return {
        "perfect": np.where(labels == 1, 0.9 + jitter, jitter),
        "inverted": np.where(labels == 1, jitter, 0.9 + jitter),
        "good": 1 / (1 + np.exp(-4 * (signal - 0.5))),
        "random": rng.permutation(len(labels)) / len(labels),
    }


def tied() -> NDArray[np.float64]:
    """Informative probabilities [N] of which only four differ."""
    return np.floor(predictions()["good"] * 3.999) / 4 + 0.1


def output_of(subject: Subject, inputs: MetricInputs) -> MetricOutput:
    """What a fresh instance returns. Raises `Broken` where that is no `MetricOutput`."""
    output = subject.build()(inputs)
    if fault := metric_output_fault(output):
        raise Broken(fault)
    found: MetricOutput = output
    return found


def value_of(subject: Subject, inputs: MetricInputs) -> float:
    """The value; NaN where there is none."""
    return float(output_of(subject, inputs).value)


@CHECKS.check("return MetricOutput(float(...)), and NaN with a reason where there is no number")
def returns_a_number(subject: Subject) -> None:
    """For residues of both classes a metric returns a MetricOutput with a finite number."""
    for name in ("good", "random"):
        output = output_of(subject, scored(predictions()[name]))
        if not math.isfinite(output.value):
            raise Broken(f"returns {output.value} ({output.reason}) for {name} predictions of both classes")


CHECKS.always = ("builds", NUMBER)


@CHECKS.check("correct higher_is_better")
def direction_is_as_declared(subject: Subject) -> None:
    """Perfect predictions are better than inverted ones in the direction of higher_is_better."""
    better = subject.build().higher_is_better
    perfect, inverted = (value_of(subject, scored(predictions()[name])) for name in ("perfect", "inverted"))
    if not (perfect > inverted if better else perfect < inverted):
        raise Broken(
            f"has higher_is_better = {better}, and gives perfect predictions {perfect:.4g}, inverted {inverted:.4g}"
        )


@CHECKS.check("compare with sklearn.metrics on the same numbers")
def perfect_is_best(subject: Subject) -> None:
    """No predictions are better than perfect ones, by the direction in which perfect beats inverted."""
    found = {name: value_of(subject, scored(values)) for name, values in predictions().items()}
    sign = 1 if found["perfect"] > found["inverted"] else -1
    for name, value in found.items():
        if sign * (value - found["perfect"]) > 1e-9:
            raise Broken(
                f"gives perfect predictions {found['perfect']:.4g}, and {name} ones {value:.4g}, which is better"
            )


@CHECKS.check("do not use a residue's place among the rows; group by inputs.protein with np.unique")
def order_does_not_matter(subject: Subject) -> None:
    """The value is the same whatever the order of the rows, and whatever numbers proteins have."""
    inputs = scored(predictions()["good"])
    _same(
        subject,
        inputs,
        _in_order(inputs, np.random.default_rng(1).permutation(len(inputs.labels))),
        "order of rows",
    )
    renumbered = MetricInputs(inputs.probabilities, inputs.labels, inputs.protein.max() - inputs.protein, 0.5)
    _same(subject, inputs, renumbered, "numbers of proteins")


@CHECKS.check("call tied residues together: count at distinct scores, never after an argsort alone", after=(ORDER,))
def ties_do_not_depend_on_order(subject: Subject) -> None:
    """Residues with one probability are taken together: which of them comes first has no effect."""
    inputs = scored(tied())
    for direction in (1, -1):
        # Within each tie all of one class first, then all of the other: the two extremes.
        order = np.lexsort((direction * inputs.labels, inputs.probabilities))
        _same(subject, inputs, _in_order(inputs, order), "order among tied residues")


def _in_order(inputs: MetricInputs, order_N: NDArray[np.int64]) -> MetricInputs:
    parts = (inputs.probabilities[order_N], inputs.labels[order_N], inputs.protein[order_N])
    return MetricInputs(*parts, inputs.threshold)


def _same(subject: Subject, inputs: MetricInputs, changed: MetricInputs, what: str) -> None:
    first, second = value_of(subject, inputs), value_of(subject, changed)
    if abs(first - second) > 1e-9 * max(1, abs(first)):
        raise Broken(f"returns {first:.6g}, and {second:.6g} for another {what}")


@CHECKS.check("return MetricOutput(math.nan, 'none of the residues is positive') and the like")
def one_class_is_nan_with_a_reason(subject: Subject) -> None:
    """Residues of one class, or none at all, have NaN and the reason why there is no number."""
    plain = scored(predictions()["good"])
    nothing = MetricInputs(np.empty(0), np.empty(0, np.int8), np.empty(0, np.int64), 0.5)
    cases = {"no residues": nothing}
    for label, name in ((1, "residues that all bind"), (0, "residues of which none binds")):
        cases[name] = MetricInputs(plain.probabilities, np.full_like(plain.labels, label), plain.protein, 0.5)
    for name, inputs in cases.items():
        output = output_of(subject, inputs)
        if not math.isnan(output.value):
            raise Broken(f"returns {output.value:.4g} for {name}; there is no such number")
        if not output.reason:
            raise Broken(f"returns NaN for {name} without a reason")


@CHECKS.check("have a default, for example 0.5, where inputs.threshold is None")
def needs_no_threshold(subject: Subject) -> None:
    """During training no threshold has been chosen yet, and there is a number nevertheless."""
    output = output_of(subject, scored(predictions()["good"], threshold=None))
    if not math.isfinite(output.value):
        raise Broken(f"returns {output.value} ({output.reason}) where threshold is None")


@CHECKS.check("sort copies (np.sort, not .sort())")
def inputs_are_not_modified(subject: Subject) -> None:
    """The arrays are as they were: other metrics are given the same ones."""
    inputs = scored(predictions()["good"])
    before = {name: getattr(inputs, name).copy() for name in ("probabilities", "labels", "protein")}
    value_of(subject, inputs)
    changed = [name for name, was in before.items() if not np.array_equal(getattr(inputs, name), was)]
    if changed:
        raise Broken(f"modifies {', '.join(changed)} of the residues it is given")


@CHECKS.check("keep no state between calls")
def same_inputs_give_the_same_value(subject: Subject) -> None:
    """One instance gives the same residues the same value, whatever it was called with before."""
    metric = subject.build()
    values = [float(metric(scored(predictions()[name])).value) for name in ("good", "random", "good")]
    if values[0] != values[2]:
        raise Broken(f"returns {values[0]:.6g} and then, for the same residues, {values[2]:.6g}")
