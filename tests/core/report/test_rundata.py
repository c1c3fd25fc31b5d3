"""Run directories that are whole, incomplete, damaged, or none at all."""

from __future__ import annotations

import json

import numpy as np
import pytest

from e1bind.errors import RunError
from e1bind.files.text import without_folders
from e1bind.report.rundata import load


def test_everything_is_read(make_run):
    data = load(make_run(["ZN", "CA"]))
    assert data.summary.ions == ["ZN", "CA"]
    assert len(data.rows) == 2 * 3 * 8 * 2
    assert set(data.thresholds) == {"ZN", "CA"}
    assert data.best_epochs == {1: 7, 2: 7, 3: 7}
    assert data.oof["label"].dtype == np.int8


@pytest.mark.parametrize("name", ["oof_preds.npz", "metrics.jsonl", "global_thresholds.yaml"])
def test_what_figures_are_made_of_must_be_there(make_run, name):
    run = make_run()
    (run / name).unlink()
    with pytest.raises(RunError, match=rf"{name} is missing; .*e1bind collect"):
        load(run)


def test_a_folder_that_is_no_run_is_named(tmp_path):
    with pytest.raises(RunError, match="there is no run directory"):
        load(tmp_path / "nowhere")
    with pytest.raises(RunError, match="is no run directory"):
        load(tmp_path)


@pytest.mark.parametrize("name", ["summary.json", "environment.json", "plugins.json"])
def test_damaged_json_names_the_file(make_run, name):
    run = make_run()
    (run / name).write_text('{"run_id": ')
    with pytest.raises(RunError, match=f"{name} is damaged"):
        load(run)


@pytest.mark.parametrize("text", ["[]", "{}", '{"run_id": "x", "ions": []}'])
def test_a_summary_of_another_kind_is_refused(make_run, text):
    run = make_run()
    (run / "summary.json").write_text(text)
    with pytest.raises(RunError, match=r"summary\.json is damaged: .*e1bind collect"):
        load(run)


def test_a_line_that_is_damaged_is_named(make_run):
    run = make_run()
    metrics = run / "metrics.jsonl"
    whole = metrics.read_text()
    metrics.write_text(whole + '{"fold": 1, "epo')
    with pytest.raises(RunError, match="last line is cut off"):
        load(run)
    metrics.write_text(whole + '{"fold": 1, "epo\n')
    with pytest.raises(RunError, match=rf"metrics\.jsonl:{len(whole.splitlines()) + 1} is damaged"):
        load(run)
    metrics.write_text('{"epoch": 1}\n')
    with pytest.raises(RunError, match=r"metrics\.jsonl:1 is damaged: fold: "):
        load(run)


def test_a_truncated_table_is_refused(make_run):
    run = make_run()
    table = run / "oof_preds.npz"
    table.write_bytes(table.read_bytes()[:2000])
    with pytest.raises(RunError, match=r"oof_preds\.npz is damaged"):
        load(run)


def test_a_pickle_in_the_table_is_not_loaded(make_run):
    run = make_run()
    with np.load(run / "oof_preds.npz") as stored:
        columns = dict(stored)
    columns["protein"] = columns["protein"].astype(object)
    np.savez(run / "oof_preds.npz", **columns)
    with pytest.raises(RunError, match="damaged and cannot be read"):
        load(run)


def test_columns_that_are_missing_or_of_different_length_are_refused(make_run):
    run = make_run()
    with np.load(run / "oof_preds.npz") as stored:
        columns = dict(stored)
    np.savez(run / "oof_preds.npz", **{k: v for k, v in columns.items() if k != "fold"})
    with pytest.raises(RunError, match="fold"):
        load(run)
    np.savez(run / "oof_preds.npz", **{**columns, "label": columns["label"][:-1]})
    with pytest.raises(RunError, match="equally long"):
        load(run)


@pytest.mark.parametrize(
    "text", ["ZN: 0.3\n", "- 1\n", "ZN: {method: f1}\n", "a: [\n", "!!python/object:os.system {}\n"]
)
def test_damaged_thresholds_are_refused(make_run, text):
    run = make_run()
    (run / "global_thresholds.yaml").write_text(text)
    with pytest.raises(RunError, match=r"global_thresholds\.yaml is damaged"):
        load(run)


def test_a_null_in_the_metrics_is_kept_as_undefined(make_run):
    run = make_run()
    row = {"fold": 1, "epoch": 1, "ion": "ZN", "split": "valid", "auprc": None}
    (run / "metrics.jsonl").write_text(json.dumps(row) + "\n")
    assert load(run).rows == [row]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ('"/home/a/b.fasta"', '"…/b.fasta"'),
        ("train = '/a/b'", "train = '…/b'"),
        ("~/x/y", "…/y"),
        ("/tmp", "/tmp"),
        ("relative/path/x", "relative/path/x"),
        ("Profluent-Bio/E1-150m", "Profluent-Bio/E1-150m"),
        ("x=/a/b/c y", "x=…/c y"),
    ],
)
def test_folders_are_left_out_of_absolute_paths_alone(text, left):
    assert without_folders(text) == left
