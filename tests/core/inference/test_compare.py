"""Runs side by side."""

from __future__ import annotations

import csv
import json
import math
import shutil

import pytest

from e1bind import workflow
from e1bind.errors import RunError, UserError
from e1bind.inference.compare import compare


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
            row["metrics"]["mcc"] = None
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
    assert ours.oof == summary["oof"]["ZN"]["metrics"]["auprc"]
    assert list(ours.folds) == [row["metrics"]["auprc"] for row in summary["folds"] if row["ion"] == "ZN"]
    assert theirs.oof == 0.5
    assert found.figures["CA"]["auprc"][1] is None
    assert found.figures["ZN"]["mcc"][0] is None
    assert math.isnan(found.figures["ZN"]["mcc"][1].oof)


def test_evaluations_in_the_run_directories_are_shown(trained, other):
    folder = other / "evaluation_MN_test"
    folder.mkdir()
    ion = {"proteins": 1, "residues": 9, "positives": 2, "threshold": 0.5, "calibrated": None, "in_training": {}}
    ion |= {"counts": {"tp": 1}, "metrics": {"auprc": {"value": 0.25, "low": None, "high": None}}}
    whole = {"run_id": "x", "folds": 2, "backbone": "E1", "interval": {}, "warnings": [], "ions": {"ZN": ion}}
    (folder / "metrics.json").write_text(json.dumps(whole))
    assert compare([trained, other]).figures["ZN"]["auprc"][1].test == {"MN_test": 0.25}


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
