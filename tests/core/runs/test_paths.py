"""What commands write, follow and refuse: links, devices, FIFOs, run ids, modes of files."""

from __future__ import annotations

import os
import re
import shutil
import stat
import threading
from pathlib import Path

import pytest

from e1bind_cli.app import run as e1bind


def said(capsys) -> str:
    return re.sub(r"\s+", " ", capsys.readouterr().err)


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "run"))


@pytest.fixture
def new(short_data: Path) -> str:
    return str(short_data / "new.fasta")


def test_a_device_is_written_into_and_stays_one(whole, new):
    assert e1bind(["predict", str(whole), new, "-o", "/dev/null"]) == 0
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_a_fifo_gets_the_table_as_it_comes(whole, new, tmp_path):
    fifo = tmp_path / "pipe"
    os.mkfifo(fifo)
    found: list[str] = []
    reader = threading.Thread(target=lambda: found.append(fifo.read_text()))
    reader.start()
    assert e1bind(["predict", str(whole), new, "-o", str(fifo), "--format", "csv"]) == 0
    reader.join(30)
    assert found[0].startswith("protein,position")
    assert stat.S_ISFIFO(fifo.stat().st_mode)


def test_a_link_is_followed_to_its_file(whole, new, tmp_path):
    target, link = tmp_path / "real" / "sites.csv", tmp_path / "sites.csv"
    target.parent.mkdir()
    target.write_text("old")
    link.symlink_to(target)
    assert e1bind(["predict", str(whole), new, "-o", str(link)]) == 0
    assert link.is_symlink()
    assert target.read_text().startswith("protein,position")


@pytest.mark.parametrize(
    "name", [".lock", "training.log", "plots", "report.html", "fold_1/last", "fold_1/fold.json"]
)
def test_a_link_in_a_run_is_refused_and_its_target_left_alone(run, tmp_path, capsys, name):
    place, target = run / name, tmp_path / "precious"
    if place.is_dir():
        shutil.rmtree(place)
        target.mkdir()
        (target / "x").write_text("precious")
    else:
        place.unlink(missing_ok=True)
        target.write_text("precious")
    place.symlink_to(target)
    for arguments in (["collect", str(run)], ["report", str(run)], ["train", "--resume", str(run)]):
        assert e1bind(arguments) == 2
        assert f"{name} is a symbolic link" in said(capsys)
    found = [target / "x"] if target.is_dir() else [target]
    assert [file.read_text() for file in found] == ["precious"]
    assert not target.is_dir() or len(list(target.iterdir())) == 1


def test_a_run_directory_may_be_a_link_itself(whole, new, tmp_path):
    link = tmp_path / "latest"
    link.symlink_to(whole)
    assert e1bind(["predict", str(link), new, "-o", str(tmp_path / "o.csv")]) == 0


def test_a_fifo_in_a_run_does_not_hang(run, new, capsys):
    (run / "calibration.yaml").unlink()
    os.mkfifo(run / "calibration.yaml")
    assert e1bind(["predict", str(run), new]) == 2
    assert "calibration.yaml is no regular file" in said(capsys)


@pytest.mark.parametrize(
    "name", ["../x", "..", ".", "", "a/b", "/tmp/x", "a\nb", "x" * 201, ".hidden", "-x", "a\x1b[0m"]
)
def test_a_run_id_is_the_name_of_a_folder(short_spec, tmp_path, capsys, name):
    (tmp_path / "inner").mkdir()
    spec = tmp_path / "inner" / "spec.toml"
    spec.write_text(short_spec)
    assert e1bind(["train", str(spec), f"--run-id={name}"]) == 2
    text = said(capsys)
    assert "--run-id" in text
    assert "\x1b" not in text
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["inner", "spec.toml"]


def test_the_files_of_a_run_have_the_modes_of_the_umask(short_spec, tmp_path):
    (tmp_path / "spec.toml").write_text(short_spec)
    before = os.umask(0o027)
    try:
        assert e1bind(["train", str(tmp_path / "spec.toml"), "--run-id", "modes", "--fold", "1"]) == 0
    finally:
        os.umask(before)
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "results").rglob("*") if p.is_file()}
    assert "adapter_model.safetensors" in modes
    assert set(modes.values()) == {0o640}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predict", "{run}", "{new}", "-o", "{file}/x.csv"], "cannot be written"),
        (["predict", "{run}", "{new}", "-o", "{tmp}"], "is a folder; name the file"),
        (["predict", "{run}", "{new}", "-o", "{tmp}/" + "x" * 300], "File name too long"),
        (["predict", "{run}", "x" * 5000, "-o", "{tmp}/o.csv"], "File name too long"),
        (["predict", "x" * 5000, "{new}"], "File name too long"),
        (["evaluate", "{run}", "--data", "{new}", "--resamples", "20", "-o", "{file}/x"], "cannot be written"),
        (["compare", "{run}", "{other}", "-o", "{file}"], "cannot be written"),
        (["report", "x" * 5000], "File name too long"),
        (["collect", "x" * 5000], "File name too long"),
        (["train", "--resume", "x" * 5000], "File name too long"),
        (["train", "x" * 5000], "too long"),
        (["init", "{file}/x.toml"], "cannot be written"),
        (["schema", "-o", "{file}/x.json"], "cannot be written"),
    ],
)
def test_errors_of_the_disk_are_one_sentence(whole, run, new, tmp_path, capsys, arguments, message):
    file = tmp_path / "a_file"
    file.write_text("")
    names = {"run": whole, "other": run, "new": new, "file": file, "tmp": tmp_path}
    assert e1bind([a.format(**names) for a in arguments]) == 2
    text = capsys.readouterr().err
    assert "Traceback" not in text
    assert message in re.sub(r"\s+", " ", text)
