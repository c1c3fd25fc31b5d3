"""Run directories that are whole, incomplete, damaged, or none at all."""

from __future__ import annotations

import json

import numpy as np
import pytest

from e1bind.errors import RunError
from e1bind.report.rundata import read_run


def test_everything_is_read(make_run):
    data = read_run(make_run(["ZN", "CA"]))
    assert data.summary["ions"] == ["ZN", "CA"]
    assert len(data.rows) == 2 * 3 * 8 * 2
    assert set(data.thresholds) == {"ZN", "CA"}
    assert data.best_epochs == {1: 7, 2: 7, 3: 7}
    assert data.oof is not None
    assert data.oof["label"].dtype == np.int8


def test_only_the_summary_must_be_there(make_run):
    run = make_run()
    for file in run.iterdir():
        if file.name != "summary.json":
            file.unlink()
    data = read_run(run)
    assert (data.oof, data.rows, data.spec, dict(data.thresholds)) == (None, [], "", {})


def test_a_folder_that_is_no_run_is_named(tmp_path):
    with pytest.raises(RunError, match="no such folder"):
        read_run(tmp_path / "nowhere")
    with pytest.raises(RunError, match=r"no summary\.json: the run has not finished"):
        read_run(tmp_path)


@pytest.mark.parametrize("name", ["summary.json", "environment.json", "plugins.json"])
def test_damaged_json_names_the_file(make_run, name):
    run = make_run()
    (run / name).write_text('{"run_id": ')
    with pytest.raises(RunError, match=f"{name} is damaged"):
        read_run(run)


@pytest.mark.parametrize("text", ["[]", "{}", '{"run_id": "x", "ions": []}'])
def test_a_summary_of_another_kind_names_what_it_lacks(make_run, text):
    run = make_run()
    (run / "summary.json").write_text(text)
    with pytest.raises(RunError, match="lacks"):
        read_run(run)


def test_a_line_that_was_cut_off_by_a_kill_is_dropped_and_a_damaged_one_is_named(make_run):
    run = make_run()
    metrics = run / "metrics.jsonl"
    whole = metrics.read_text()
    metrics.write_text(whole + '{"fold": 1, "epo')
    assert len(read_run(run).rows) == len(whole.splitlines())
    metrics.write_text(whole + '{"fold": 1, "epo\n')
    with pytest.raises(RunError, match=rf"metrics\.jsonl:{len(whole.splitlines()) + 1} is damaged"):
        read_run(run)
    metrics.write_text('{"epoch": 1}\n')
    with pytest.raises(RunError, match=r"metrics\.jsonl:1 is no row of metrics"):
        read_run(run)


def test_a_truncated_table_is_refused(make_run):
    run = make_run()
    table = run / "oof_preds.npz"
    table.write_bytes(table.read_bytes()[:2000])
    with pytest.raises(RunError, match=r"oof_preds\.npz is damaged"):
        read_run(run)


def test_a_pickle_in_the_table_is_not_loaded(make_run):
    run = make_run()
    with np.load(run / "oof_preds.npz") as stored:
        columns = dict(stored)
    columns["protein"] = columns["protein"].astype(object)
    np.savez(run / "oof_preds.npz", **columns)
    with pytest.raises(RunError, match="damaged and cannot be read"):
        read_run(run)


def test_columns_that_are_missing_or_of_different_length_are_refused(make_run):
    run = make_run()
    with np.load(run / "oof_preds.npz") as stored:
        columns = dict(stored)
    np.savez(run / "oof_preds.npz", **{k: v for k, v in columns.items() if k != "fold"})
    with pytest.raises(RunError, match="fold"):
        read_run(run)
    np.savez(run / "oof_preds.npz", **{**columns, "label": columns["label"][:-1]})
    with pytest.raises(RunError, match="equally long"):
        read_run(run)


@pytest.mark.parametrize(
    "text", ["ZN: 0.3\n", "- 1\n", "ZN: {method: f1}\n", "a: [\n", "!!python/object:os.system {}\n"]
)
def test_damaged_thresholds_are_refused(make_run, text):
    run = make_run()
    (run / "global_thresholds.yaml").write_text(text)
    with pytest.raises(RunError, match=r"global_thresholds\.yaml is damaged"):
        read_run(run)


def test_a_null_in_the_metrics_is_kept_as_undefined(make_run):
    run = make_run()
    row = {"fold": 1, "epoch": 1, "ion": "ZN", "split": "valid", "auprc": None}
    (run / "metrics.jsonl").write_text(json.dumps(row) + "\n")
    assert read_run(run).rows == [row]
