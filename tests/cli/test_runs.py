"""`e1bind runs`: where each run in a folder stands."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from launching import wait_for
from plugin_packages import environment, run_cli, run_python
from small_runs import SPEC, StopsAfter, draw_nothing, train_once

from e1bind.engine.crossval import cross_validate
from e1bind.errors import Interrupted
from e1bind.runs.layout import RunDir
from e1bind.spec import load_spec
from e1bind_cli.app import run as e1bind


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    """A finished run, one that was interrupted, a damaged one, and a folder that is none."""
    base = tmp_path_factory.mktemp("runs")
    text = SPEC.format(data=root / "examples" / "data").replace("[metrics]", '[metrics]\nmonitor = "auprc"')
    results = base / "results"
    train_once(base, text, run_id="finished")
    spec = load_spec(base / "spec.toml", ['run.name="zinc"'])
    with pytest.raises(Interrupted):
        cross_validate(spec, base / "spec.toml", draw_nothing, StopsAfter(2, 1), "interrupted", None)
    shutil.copytree(results / "finished", results / "damaged")
    RunDir(results / "damaged").begun.write_text("{")
    (results / "notes").mkdir()
    (results / ".hidden.tmp").mkdir()
    for age, name in enumerate(("damaged", "interrupted", "finished")):
        os.utime(RunDir(results / name).overrides, (1.6e9 - age, 1.6e9 - age))
    return results


def test_every_run_has_its_state_the_newest_first(folder: Path, capsys) -> None:
    assert e1bind(["runs", str(folder), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(Path(row["path"]).name, row["state"]) for row in rows] == [
        ("damaged", "damaged"),
        ("interrupted", "interrupted"),
        ("finished", "finished"),
        ("notes", "no run"),
    ]
    assert "data.json is damaged" in rows[0]["detail"]
    assert rows[1]["detail"] == "fold 1 of 2, epoch 2 of 2"
    assert (rows[1]["spec"], rows[1]["metric"], rows[1]["value"]) == ("zinc", "auprc", None)
    summary = json.loads(RunDir(folder / "finished").summary.read_text())
    assert rows[2]["values"] == {"ZN": summary["oof"]["ZN"]["metrics"]["auprc"]}
    assert rows[2]["ions"] == ["ZN"]


def test_the_table_can_be_read_at_60_columns(folder: Path) -> None:
    shown = run_cli("runs", str(folder), env={"COLUMNS": "60"}).stdout
    assert max(map(len, shown.splitlines())) <= 60
    for word in ("interrupted:", "finished", "damaged: data.json", "auprc", "2020-09-13"):
        assert all(part in shown for part in word.split()), shown
    wide = run_cli("runs", str(folder), env={"COLUMNS": ""}).stdout
    assert "interrupted: fold 1 of 2, epoch 2 of 2" in wide
    alone = run_cli("runs", str(folder / "finished"), env={"COLUMNS": ""}).stdout
    assert "finished" in alone
    assert "notes" not in alone


def test_a_folder_that_is_not_there_is_told(tmp_path: Path, capsys) -> None:
    assert e1bind(["runs", str(tmp_path / "gone")]) == 2
    assert "there is no folder" in capsys.readouterr().err
    assert e1bind(["runs", str(tmp_path)]) == 0
    assert "there is no run in" in capsys.readouterr().out


def test_torch_is_not_loaded(folder: Path) -> None:
    code = (
        f"import sys\nfrom e1bind_cli.app import run\nprint(run(['runs', {str(folder)!r}]), 'torch' in sys.modules)"
    )
    assert run_python(code).stdout.splitlines()[-1] == "0 False"


@pytest.mark.parametrize("name", ["spec.resolved.json", "data.json", "summary.json", "overrides.txt", "fold_1"])
@pytest.mark.parametrize("content", [None, b"", b"[]", b"\xff\x00{", "a folder"])
def test_whatever_is_in_a_run_it_is_a_row(folder: Path, tmp_path: Path, capsys, name: str, content) -> None:
    run = Path(shutil.copytree(folder / "finished", tmp_path / "run"))
    place = run / name
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    if content == "a folder":
        place.mkdir()
    elif content is not None:
        place.write_bytes(content)
    assert e1bind(["runs", str(tmp_path), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["state"] in ("damaged", "interrupted", "finished")


@pytest.mark.slow
def test_a_run_that_trains_says_so_and_is_not_disturbed(tmp_path: Path, root: Path, capsys) -> None:
    text = SPEC.format(data=root / "examples" / "data").replace("epochs = 2", "epochs = 400")
    (tmp_path / "spec.toml").write_text(text)
    command = [sys.executable, "-m", "e1bind_cli", "train", "spec.toml", "--run-id", "now"]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment(), stderr=subprocess.DEVNULL)
    try:
        wait_for(tmp_path / "results" / "now" / "training.log", "fold 1 epoch 2")
        for _ in range(3):
            assert e1bind(["runs", str(tmp_path / "results"), "--json"]) == 0
        (row,) = json.loads("[" + capsys.readouterr().out.split("[", 1)[1].split("\n]")[0] + "]")
        assert row["state"] == "training"
        assert row["detail"].startswith("fold 1 of 2, epoch ")
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 143
    assert e1bind(["runs", str(tmp_path / "results"), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["state"] == "interrupted"
