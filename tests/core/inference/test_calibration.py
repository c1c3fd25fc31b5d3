"""A run's calibration: fitted on out-of-fold predictions, judged on folds it has not seen, read back safely."""

from __future__ import annotations

import numpy as np
import pytest
import yaml
from calibrators import calibrator

from e1bind.engine.fit_calibration import cross_fitted_rows, fit_maps
from e1bind.errors import RunError
from e1bind.metrics.reliability import reliability_bins
from e1bind.report.gallery import ion_pictures
from e1bind.runs.decision_files import read_calibration, write_calibration
from e1bind.runs.layout import RunDir
from e1bind.runs.oof_table import read_oof, rows_of


def test_a_run_keeps_the_map_fitted_on_all_of_its_out_of_fold_predictions(trained):
    table = read_oof(trained / "oof_preds.npz")
    for ion, stored in read_calibration(RunDir(trained), calibrator("platt")).items():
        rows = rows_of(table, ion)
        assert stored == calibrator("platt").fit(rows.probabilities, rows.labels)
    maps = read_calibration(RunDir(trained), calibrator("platt"))
    assert {ion: fitted.to_dict()["method"] for ion, fitted in maps.items()} == {"ZN": "platt", "CA": "platt"}


def test_the_figures_after_are_of_maps_fitted_on_the_other_folds(trained):
    table = read_oof(trained / "oof_preds.npz")
    keep = (table["ion"] == "ZN") & (table["label"] >= 0)
    p, y, fold = (table[name][keep] for name in ("probability", "label", "fold"))
    after = np.empty(len(p))
    for number in (1, 2):
        after[fold == number] = (
            calibrator("platt").fit(p[fold != number], y[fold != number]).apply(p[fold == number])
        )
    assert cross_fitted_rows(table, "ZN", calibrator("platt")) == pytest.approx(after)
    stored = yaml.safe_load((trained / "calibration.yaml").read_text())["ZN"]
    assert stored["after"]["ece"] == pytest.approx(reliability_bins(after, y, 15).ece())
    assert stored["before"]["ece"] == pytest.approx(reliability_bins(p.astype(float), y, 15).ece())
    assert stored["after"]["brier"] < stored["before"]["brier"]


@pytest.mark.parametrize("method", ["platt", "isotonic"])
def test_what_is_written_is_read_back(trained, tmp_path, method):
    table = read_oof(trained / "oof_preds.npz")
    write_calibration(RunDir(tmp_path), fit_maps(table, ["ZN"], calibrator(method)))
    (stored,) = read_calibration(RunDir(tmp_path), calibrator(method)).values()
    probabilities = np.linspace(0, 1, 50)
    rows = rows_of(table, "ZN")
    wanted = calibrator(method).fit(rows.probabilities, rows.labels).apply(probabilities)
    assert stored.apply(probabilities) == pytest.approx(wanted, abs=0)
    write_calibration(RunDir(tmp_path), fit_maps(table, ["ZN"], None))
    assert read_calibration(RunDir(tmp_path), calibrator(method)) == {}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ZN: 3\n",
        "ZN:\n  map: {method: platt, slope: -1.0, intercept: 0.0}\n",
        "ZN:\n  map: {method: isotonic, inputs: [0.5, 0.1], outputs: [0.0, 1.0]}\n",
        "ZN: !!python/object/apply:os.getcwd []\n",
        "ZN: [",
    ],
)
def test_a_damaged_file_is_an_error(tmp_path, text):
    (tmp_path / "calibration.yaml").write_text(text)
    with pytest.raises(RunError, match=r"calibration\.yaml is damaged"):
        read_calibration(RunDir(tmp_path), calibrator("isotonic" if "isotonic" in text else "platt"))


def test_the_reliability_figure_shows_it_for_all_folds_only(trained, tmp_path):
    table = read_oof(trained / "oof_preds.npz")
    platt = calibrator("platt")
    draw = {
        (fold, method): next(
            picture.file.read_bytes()
            for picture in ion_pictures(table, "ZN", tmp_path, {"threshold": 0.5}, fold, method)
            if picture.file.name.startswith("reliability")
        )
        for fold in (None, 1)
        for method in (None, platt)
    }
    assert draw[None, None] != draw[None, platt]
    assert draw[1, None] == draw[1, platt]
