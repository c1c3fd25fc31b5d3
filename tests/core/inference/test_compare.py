"""Runs side by side."""

from __future__ import annotations

import csv
import json
import math
import shutil

import numpy as np
import pytest
from drawn_runs import metrics_of, proteins
from sklearn.metrics import average_precision_score, f1_score, matthews_corrcoef

from e1bind import workflow
from e1bind.errors import RunError, UserError
from e1bind.inference.compare import compare
from e1bind.runs.oof_table import write_oof


def change(path, edit):
    table = json.loads(path.read_text())
    edit(table)
    path.write_text(json.dumps(table))


@pytest.fixture
def other(copy):
    def spec(table):
        table["lora"]["r"] = 64
        table["run"]["output_dir"] = "/elsewhere"
        del table["msa"]["cache_dir"]

    def summary(table):
        del table["oof"]["CA"], table["data"]["CA"]
        table["ions"] = ["ZN"]
        table["folds"] = [row for row in table["folds"] if row["ion"] == "ZN"]
        for row in (table["oof"]["ZN"], *table["folds"]):
            row["metrics"]["recall"] = None
        table["oof"]["ZN"]["metrics"]["auprc"] = 0.5

    change(copy / "spec.resolved.json", spec)
    change(copy / "summary.json", summary)
    return copy


def test_only_what_differs_is_listed(trained, other):
    found = compare([trained, other])
    assert found.spec == {"lora.r": [4, 64]}
    assert found.names == [trained.name, other.name]


def test_metrics_stand_side_by_side_with_gaps_where_a_run_has_none(trained, other):
    found = compare([trained, other])
    ours, theirs = found.figures["ZN"]["auprc"]
    summary = json.loads((trained / "summary.json").read_text())
    assert ours.oof.value == summary["oof"]["ZN"]["metrics"]["auprc"]
    assert list(ours.folds) == [row["metrics"]["auprc"] for row in summary["folds"] if row["ion"] == "ZN"]
    assert theirs.oof.value == 0.5
    assert found.figures["CA"]["auprc"][1] is None
    assert found.figures["ZN"]["recall"][0] is None
    assert math.isnan(found.figures["ZN"]["recall"][1].oof.value)


def test_evaluations_in_the_run_directories_are_shown(trained, other):
    folder = other / "evaluation_MN_test"
    folder.mkdir()
    ion = {"proteins": 1, "residues": 9, "positives": 2, "threshold": 0.5, "calibrated": None, "in_training": {}}
    ion |= {"counts": {"tp": 1}, "metrics": {"auprc": {"value": 0.25, "low": None, "high": None}}}
    whole = {"run_id": "x", "folds": 2, "backbone": "E1", "interval": {}, "warnings": [], "ions": {"ZN": ion}}
    (folder / "metrics.json").write_text(json.dumps(whole))
    found = compare([trained, other]).figures["ZN"]["auprc"][1].test["MN_test"]
    assert found.value == 0.25
    assert math.isnan(found.low)


@pytest.fixture
def drawn(copy, tmp_path):
    """Two runs of thirty proteins, the second better than the first."""
    second = shutil.copytree(copy, tmp_path / "second")
    return proteins(copy, 1.0, seed=1), proteins(second, 2.5, seed=2)


def residues(run):
    """A run's residues by protein and place: protein index, label, probability as float64."""
    with np.load(run / "oof_preds.npz") as table:
        order = np.lexsort((table["residue_index"], table["protein"]))
        _, protein = np.unique(table["protein"][order], return_inverse=True)
        return protein, table["label"][order], table["probability"][order].astype(float)


@pytest.mark.parametrize(
    ("metric", "measure"),
    [
        ("auprc", average_precision_score),
        ("f1", lambda label, p: f1_score(label, p >= 0.5)),
        ("mcc", lambda label, p: matthews_corrcoef(label, p >= 0.5)),
    ],
)
def test_intervals_and_paired_differences_are_those_of_an_independent_bootstrap(drawn, metric, measure):
    found = compare(drawn, resamples=100, seed=7).figures["ZN"][metric]
    tables = [residues(run) for run in drawn]
    rng = np.random.default_rng(7)
    values = []
    for _ in range(100):
        times = rng.multinomial(30, np.full(30, 1 / 30))
        row = []
        for protein, label, probability in tables:
            rows = np.concatenate([np.tile(np.flatnonzero(protein == p), n) for p, n in enumerate(times)])
            row.append(measure(label[rows], probability[rows]))
        values.append(row)
    first, second = np.array(values).T
    for figure, of in zip(found, (first, second), strict=True):
        assert (figure.oof.low, figure.oof.high) == pytest.approx(tuple(np.percentile(of, [2.5, 97.5])))
        assert figure.oof.low < figure.oof.value < figure.oof.high
    above = found[1].above_first
    assert above.value == pytest.approx(metrics_of(drawn[1])[metric] - metrics_of(drawn[0])[metric])
    assert (above.low, above.high) == pytest.approx(tuple(np.percentile(second - first, [2.5, 97.5])))
    assert math.isnan(found[0].above_first.value)


def test_runs_of_other_residues_or_labels_are_not_paired(drawn):
    _, second = drawn
    with np.load(second / "oof_preds.npz") as stored:
        table = dict(stored)
    table["label"][np.flatnonzero(table["label"] == 0)[0]] = 1
    write_oof(second / "oof_preds.npz", table)
    found = compare(drawn, resamples=20)
    assert math.isnan(found.figures["ZN"]["auprc"][1].above_first.value)
    assert any("not paired" in warning for warning in found.warnings)


def test_a_metric_whose_predictions_say_something_else_has_no_interval(drawn):
    change(drawn[1] / "summary.json", lambda table: table["oof"]["ZN"]["metrics"].update(auprc=0.5))
    found = compare(drawn, resamples=20)
    assert math.isnan(found.figures["ZN"]["auprc"][1].oof.low)
    assert math.isnan(found.figures["ZN"]["auprc"][1].above_first.value)
    assert not math.isnan(found.figures["ZN"]["f1"][1].above_first.value)
    assert any("auprc of its summary is not that of its predictions" in warning for warning in found.warnings)


def test_few_proteins_have_a_warning_in_place_of_intervals(trained, tmp_path):
    again = shutil.copytree(trained, tmp_path / "again")
    found = compare([trained, again], resamples=20)
    figure = found.figures["ZN"]["auprc"][1]
    assert math.isnan(figure.oof.low)
    assert figure.above_first.value == 0
    assert any("ZN: no interval: 13 proteins are too few" in warning for warning in found.warnings)


def test_the_table_on_disk_holds_the_intervals(drawn, tmp_path):
    comparison = workflow.compare(drawn, tmp_path / "out", resamples=20)
    rows = list(csv.DictReader((tmp_path / "out" / "comparison.csv").open()))
    (row,) = (row for row in rows if row["metric"] == "auprc" and row["run"] == comparison.names[1])
    figure = comparison.figures["ZN"]["auprc"][1]
    assert [float(row[name]) for name in ("oof", "oof_low", "oof_high")] == [
        figure.oof.value,
        figure.oof.low,
        figure.oof.high,
    ]
    assert float(row["above_first_low"]) == figure.above_first.low
    assert (float(row["fold_min"]), float(row["fold_max"])) == (min(figure.folds), max(figure.folds))


def test_runs_of_other_data_are_told(trained, other):
    assert not any("same chains" in w for w in compare([trained, other]).warnings)
    change(other / "data.json", lambda table: table.update(fingerprint="0" * 64))
    assert any("not trained on the same chains" in w for w in compare([trained, other]).warnings)


def test_tables_and_figures_are_written(trained, other, tmp_path):
    workflow.compare([trained, other], tmp_path / "out")
    names = {file.name for file in (tmp_path / "out").iterdir()}
    assert names == {"comparison.csv", "spec_differences.csv", "comparison_ZN.png", "comparison_CA.png"}
    rows = list(csv.DictReader((tmp_path / "out" / "spec_differences.csv").open()))
    assert rows == [{"path": "lora.r", trained.name: "4", other.name: "64"}]


def test_equal_runs_leave_an_empty_list_of_differences(trained, tmp_path):
    again = shutil.copytree(trained, tmp_path / "again")
    workflow.compare([trained, again], tmp_path / "out")
    assert (tmp_path / "out" / "spec_differences.csv").read_text() == f"path,{trained.name},again\n"


def test_names_are_told_apart(trained, tmp_path):
    again = shutil.copytree(trained, tmp_path / "deeper" / trained.name)
    names = compare([trained, again]).names
    assert len(set(names)) == 2


def test_what_is_no_finished_run_is_named(trained, copy, tmp_path):
    with pytest.raises(UserError, match="two runs or more"):
        compare([trained, trained])
    with pytest.raises(RunError, match="is no run directory"):
        compare([trained, tmp_path])
    change(copy / "summary.json", lambda table: table.update(status="drawing the report"))
    with pytest.raises(RunError, match="has not been put together"):
        compare([trained, copy])
