"""Calibration: it calibrates, keeps the ranking, and survives being written down."""

from __future__ import annotations

import json

import numpy as np
import pytest
import yaml
from calibrators import calibrator
from sklearn.isotonic import IsotonicRegression

from e1bind.errors import DataError
from e1bind.metrics.calibrations import Platt
from e1bind.metrics.options import NoOptions
from e1bind.metrics.reliability import reliability_bins

METHODS = ("platt", "isotonic")


def fit_calibration(probabilities, labels, method):
    return calibrator(method).fit(probabilities, labels)


def overconfident(size: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities whose logit is three times too large and shifted."""
    rng = np.random.default_rng(2)
    logit = rng.normal(-1.5, 1.2, size)
    labels = (rng.random(size) < 1 / (1 + np.exp(-logit))).astype(np.int8)
    return 1 / (1 + np.exp(-(3 * logit + 1))), labels


@pytest.mark.parametrize("method", METHODS)
def test_fitting_brings_the_calibration_error_down(method):
    probabilities, labels = overconfident()
    before = reliability_bins(probabilities, labels, 10).ece()
    after = reliability_bins(fit_calibration(probabilities, labels, method).apply(probabilities), labels, 10).ece()
    assert before > 0.05
    assert after < 0.01


def test_platt_finds_the_slope_and_intercept_that_were_used():
    probabilities, labels = overconfident(200_000)
    fitted = fit_calibration(probabilities, labels, "platt")
    assert fitted.fitted["slope"] == pytest.approx(1 / 3, rel=0.03)
    assert fitted.fitted["intercept"] == pytest.approx(-1 / 3, abs=0.03)


def test_platt_minimises_the_cross_entropy_with_softened_targets():
    probabilities, labels = overconfident(300)
    fitted = fit_calibration(probabilities, labels, "platt")
    positives, negatives = int(labels.sum()), int((1 - labels).sum())
    target = np.where(labels == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    logit = np.log(probabilities) - np.log1p(-probabilities)
    residual = fitted.apply(probabilities) - target
    # At the minimum the gradient in intercept and slope is zero.
    assert abs(residual.mean()) < 1e-5
    assert abs((residual * logit).mean()) < 1e-5


def test_isotonic_is_scikit_learns():
    probabilities, labels = overconfident(2000)
    peer = IsotonicRegression(out_of_bounds="clip").fit(probabilities, labels)
    fresh = np.random.default_rng(9).random(500)
    np.testing.assert_allclose(
        fit_calibration(probabilities, labels, "isotonic").apply(fresh), peer.predict(fresh), atol=1e-12
    )


@pytest.mark.parametrize("method", METHODS)
def test_the_map_never_falls_and_stays_within_zero_and_one(method):
    probabilities, labels = overconfident(500)
    mapped = fit_calibration(probabilities, labels, method).apply(np.linspace(0, 1, 1001))
    assert (np.diff(mapped) >= 0).all()
    assert mapped.min() >= 0
    assert mapped.max() <= 1


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [2, 300])
def test_it_survives_json_and_yaml_bit_for_bit(method, size):
    probabilities, labels = overconfident(300)
    probabilities, labels = probabilities[:size], labels[:size].copy()
    labels[0], labels[1] = 1, 0
    fitted = fit_calibration(probabilities, labels, method)
    grid = np.linspace(0, 1, 101)
    for text_of, read in ((json.dumps, json.loads), (yaml.safe_dump, yaml.safe_load)):
        back = calibrator(method).read(read(text_of(fitted.to_dict())))
        assert back == fitted
        np.testing.assert_array_equal(back.apply(grid), fitted.apply(grid))


@pytest.mark.parametrize("method", METHODS)
def test_scores_the_wrong_way_round_become_the_base_rate(method):
    probabilities = np.linspace(0.05, 0.95, 40)
    labels = (probabilities < 0.3).astype(np.int8)
    mapped = fit_calibration(probabilities, labels, method).apply([0.0, 0.5, 1.0])
    np.testing.assert_allclose(mapped, labels.mean(), atol=0.03)


def test_separable_classes_and_saturated_probabilities_stay_finite():
    fitted = fit_calibration(np.array([0, 0, 1, 1], np.float32), [0, 0, 1, 1], "platt")
    mapped = fitted.apply([0.0, 1.0])
    assert np.isfinite(mapped).all()
    np.testing.assert_allclose(mapped, [0.25, 0.75], atol=1e-3)  # Platt's targets for two of each class


def test_extreme_scores_do_not_overflow():
    assert Platt(NoOptions()).apply({"slope": 1000.0, "intercept": 0.0}, np.array([0.0, 1.0])).tolist() == [0, 1]


@pytest.mark.parametrize("method", METHODS)
def test_cross_fitting_uses_the_other_folds_only(method):
    probabilities, labels = overconfident(600)
    fold = np.arange(600) % 3 + 1
    calibrated = calibrator(method).cross_fitted(probabilities, labels, fold)
    for held_out in (1, 2, 3):
        inside = fold == held_out
        fitted = fit_calibration(probabilities[~inside], labels[~inside], method)
        np.testing.assert_array_equal(calibrated[inside], fitted.apply(probabilities[inside]))


@pytest.mark.parametrize("method", METHODS)
def test_what_cannot_be_fitted_is_an_error_with_the_reason(method):
    with pytest.raises(DataError, match="none of the 2 residues is positive"):
        fit_calibration([0.1, 0.2], [0, 0], method)
    with pytest.raises(DataError, match="outside"):
        fit_calibration([1.1, 0.2], [1, 0], method)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"method": "temperature", "slope": 1.0},
        {"method": "platt", "slope": 1.0},
        {"method": "platt", "slope": "1e-6", "intercept": 0.0},
        {"method": "platt", "slope": float("nan"), "intercept": 0.0},
        {"method": "platt", "slope": -1.0, "intercept": 0.0},
        {"method": "platt", "slope": 1.0, "intercept": 0.0, "extra": 1},
        {"method": "isotonic", "inputs": [], "outputs": []},
        {"method": "isotonic", "inputs": [0.1, 0.2], "outputs": [0.1]},
        {"method": "isotonic", "inputs": [0.2, 0.1], "outputs": [0.1, 0.2]},
        {"method": "isotonic", "inputs": [0.1, 0.2], "outputs": [0.2, 0.1]},
        {"method": "isotonic", "inputs": [0.1, 0.2], "outputs": [0.2, 1.1]},
        {"method": "isotonic", "inputs": 3, "outputs": [0.2]},
    ],
)
def test_a_damaged_file_is_refused(values):
    with pytest.raises(DataError, match="fit the calibration again"):
        calibrator("isotonic" if values.get("method") == "isotonic" else "platt").read(values)
