"""A finished run that is not whole any more: what is gone, and the command that makes it again."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from small_runs import go_on

from e1bind_cli.app import run as e1bind

ADAPTER = "best_e1_contrastive_model_lora/adapter_model.safetensors"


def said(capsys) -> str:
    return re.sub(r"\s+", " ", capsys.readouterr().err)


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "run"))


def test_an_adapter_that_is_gone_comes_back_by_the_command_that_is_told(run, short_data, capsys):
    file = run / "fold_2" / ADAPTER
    before = file.read_bytes()
    file.unlink()
    for arguments in (["train", "--resume", str(run)], ["collect", str(run)], ["predict", str(run), "x.fasta"]):
        assert e1bind(arguments) == 2
        text = said(capsys)
        assert "adapter_model.safetensors is missing" in text
        assert f"rm {run}/fold_2/fold.json && e1bind train --resume {run}" in text
    (run / "fold_2" / "fold.json").unlink()
    assert e1bind(["train", "--resume", str(run)]) == 0
    assert file.read_bytes() == before
    assert e1bind(["predict", str(run), str(short_data / "new.fasta"), "-o", str(run.parent / "o.csv")]) == 0


def test_a_table_that_was_emptied_is_made_again_by_resume(run):
    before = (run / "oof_preds.npz").read_bytes()
    (run / "oof_preds.npz").write_bytes(b"")
    assert go_on(run).summary.finished
    assert "oof_preds.npz is damaged" in (run / "training.log").read_text()
    assert (run / "oof_preds.npz").read_bytes() == before


def test_a_finished_run_of_two_processes_says_that_it_is_finished(run, capsys):
    from seals import reseal

    reseal(run / "data.json", lambda table: table.update(processes=2))
    from hashlib import sha256

    digest = sha256((run / "data.json").read_bytes()).hexdigest()
    reseal(run / "summary.json", lambda table: table["files"].update({"data.json": digest}))
    assert e1bind(["train", "--resume", str(run)]) == 0
    assert "the run is finished already" in said(capsys)


def test_an_edited_threshold_is_refused_and_another_one_is_an_option(run, short_data, tmp_path, capsys):
    path = run / "global_thresholds.yaml"
    before = path.read_text()
    path.write_text(re.sub(r"threshold: [0-9.e-]+", "threshold: 0.01", path.read_text()))
    new = str(short_data / "new.fasta")
    assert e1bind(["predict", str(run), new]) == 2
    assert "global_thresholds.yaml is damaged: it was changed after it was written" in said(capsys)
    path.write_text(before)
    out = tmp_path / "o.json"
    assert e1bind(["predict", str(run), new, "-o", str(out), "--threshold", "ZN=0.25"]) == 0
    assert "ZN: called at 0.25 and above as you chose" in said(capsys)
    assert json.loads(out.read_text())["thresholds"] == {"ZN": 0.25}
    for wrong in ("CA=0.5", "ZN=2", "ZN", "ZN=x", "=0.5", "ZN=nan"):
        assert e1bind(["predict", str(run), new, "--threshold", wrong]) == 2
        assert "--threshold" in said(capsys)


def test_a_fold_of_another_run_is_refused(run, killed, capsys):
    shutil.rmtree(run / "fold_1")
    shutil.copytree(killed / "fold_1", run / "fold_1")
    assert e1bind(["predict", str(run), "x.fasta"]) == 2
    assert "fold_1/fold.json is damaged" in said(capsys)
    assert e1bind(["collect", str(run)]) == 2
    assert "was trained with another spec than the run's" in said(capsys)


def test_a_collect_that_finds_no_room_leaves_a_finished_run_finished(run, short_data, monkeypatch, capsys):
    from e1bind.files import writing

    before = (run / "summary.json").read_bytes()
    real, calls = writing.os.fsync, iter(range(1000))

    def full(descriptor: int) -> None:
        if next(calls) >= 9:
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(writing.os, "fsync", full)
    assert e1bind(["collect", str(run)]) == 2
    monkeypatch.undo()
    assert "No space left on device" in said(capsys)
    assert (run / "summary.json").read_bytes() == before
    assert not list(run.rglob(".*.tmp"))
    assert e1bind(["predict", str(run), str(short_data / "new.fasta"), "-o", str(run.parent / "o.csv")]) == 0


@pytest.mark.slow
def test_leftovers_of_killed_processes_are_swept_everywhere(run):
    for folder in (run, run / "plots", run / "fold_1", run / "fold_1" / "plots", run / "fold_1" / "last"):
        folder.mkdir(exist_ok=True)
        (folder / ".x.png.1.tmp").write_text("half")
    assert e1bind(["collect", str(run)]) == 0
    assert not list(run.rglob(".*.tmp"))
