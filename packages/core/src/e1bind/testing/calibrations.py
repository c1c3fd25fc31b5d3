"""Checks of calibrations: plain numbers, a map that never falls, and probabilities that come true.

Shape legend: N scored residues.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from e1bind.metrics.base import probabilities_fault
from e1bind.metrics.probability_maps import fitted_fault
from e1bind.metrics.reliability import reliability_bins
from e1bind.testing.check import Broken, Checks
from e1bind.testing.subject import Subject

CHECKS = Checks(always=("builds",))
PLAIN, GIVES = "fits-plain-numbers", "gives-probabilities"
GRID = np.linspace(0.0, 1.0, 1001)


def overconfident(count: int = 4000) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
    """Probabilities [N] whose logit is three times too large and shifted, and labels [N], one in six of them 1."""
    rng = np.random.default_rng(2)
    logit = rng.normal(-2.0, 1.2, count)
    labels = (rng.random(count) < 1 / (1 + np.exp(-logit))).astype(np.int8)
    return 1 / (1 + np.exp(-(3 * logit + 1))), labels


def map_by(subject: Subject, probabilities: NDArray[np.float64], labels: NDArray[np.int8]) -> Mapping[str, Any]:
    """What a fresh instance fits, as a file keeps it. Raises `Broken` where that is nothing that can be kept."""
    found = subject.build().fit(probabilities.copy(), labels.copy())
    if fault := fitted_fault(found):
        raise Broken(fault)
    kept: Mapping[str, Any] = json.loads(json.dumps({name: np.asarray(v).tolist() for name, v in found.items()}))
    return kept


def mapped_by(subject: Subject, fitted: Mapping[str, Any], probabilities: NDArray[np.float64]) -> Any:
    """Calibrated probabilities [N] by a fresh instance. Raises `Broken` where they are none."""
    found = subject.build().apply(fitted, probabilities.copy())
    if fault := probabilities_fault(found, len(probabilities)):
        raise Broken(fault)
    return np.asarray(found)


@CHECKS.check("return a dict of finite numbers, or lists of them, from fit; nothing else is kept")
def fits_plain_numbers(subject: Subject) -> None:
    """fit gives named finite numbers or lists of them."""
    map_by(subject, *overconfident())


CHECKS.always = ("builds", PLAIN)


@CHECKS.check("return one probability of 0 to 1 for each from apply; keep all it needs in what fit returns")
def gives_probabilities(subject: Subject) -> None:
    """Another instance maps every probability, 0 and 1 included, by what fit returned."""
    mapped_by(subject, map_by(subject, *overconfident()), GRID)


CHECKS.always = ("builds", PLAIN, GIVES)


@CHECKS.check("keep the order of residues: constrain the fit to maps that rise")
def the_map_never_falls(subject: Subject) -> None:
    """A higher probability is never mapped below a lower one, also where scores rank the wrong way round."""
    probabilities, labels = overconfident()
    for given in (labels, 1 - labels):
        mapped = mapped_by(subject, map_by(subject, probabilities, given.astype(np.int8)), GRID)
        if (np.diff(mapped) < -1e-12).any():
            raise Broken("maps a higher probability below a lower one")


@CHECKS.check("fit to the labels: the mean of the calibrated probabilities is the share of positives, bin by bin")
def probabilities_come_true(subject: Subject) -> None:
    """On overconfident predictions the expected calibration error falls by half at least."""
    probabilities, labels = overconfident()
    mapped = mapped_by(subject, map_by(subject, probabilities, labels), probabilities)
    before, after = (reliability_bins(p, labels, 10).ece() for p in (probabilities, mapped))
    if after > before / 2:
        raise Broken(f"takes the calibration error from {before:.3f} to {after:.3f} only")


@CHECKS.check("draw no random numbers; sort what comes in another order; copy what is to be changed")
def same_residues_same_map(subject: Subject) -> None:
    """The same residues in another order give the same map, and stay as they were."""
    probabilities, labels = overconfident()
    first = mapped_by(subject, map_by(subject, probabilities, labels), GRID)
    second = mapped_by(subject, map_by(subject, probabilities[::-1].copy(), labels[::-1].copy()), GRID)
    if not np.allclose(first, second, atol=1e-5):
        raise Broken("maps otherwise after it was fitted on the same residues in another order")
    given = (probabilities.copy(), labels.copy(), GRID.copy())
    calibration = subject.build()
    calibration.apply(calibration.fit(given[0], given[1]), given[2])
    before = (probabilities, labels, GRID)
    if any(not np.array_equal(given[i], before[i]) for i in range(3)):
        raise Broken("changes the probabilities or labels it is given")


@CHECKS.check("clip probabilities before a logarithm; a slope may be without bound where classes are apart")
def extreme_residues_are_no_error(subject: Subject) -> None:
    """Saturated, separable and equal probabilities, and two residues alone, give a map."""
    cases = (([0.0, 0.0, 1.0, 1.0], [0, 0, 1, 1]), ([0.5] * 6, [0, 0, 0, 0, 0, 1]), ([0.2, 0.9], [0, 1]))
    for probabilities, labels in cases:
        fitted = map_by(subject, np.array(probabilities), np.array(labels, np.int8))
        mapped_by(subject, fitted, GRID)
