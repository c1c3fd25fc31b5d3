"""When and how a run was worked on."""

from __future__ import annotations

import json
import sys

import pytest

from e1bind.runs.layout import RunDir
from e1bind.runs.sessions import Session, own_command, read_sessions, sessions_of


def test_each_session_has_a_line_that_tells_how_long_it_took_so_far(tmp_path):
    file = tmp_path / "sessions.jsonl"
    killed = Session(file, "CPU, 1 thread", 1)
    killed.begin()
    killed.begin()
    assert [record.seconds for record in read_sessions(file)] == [None]
    second = Session(file, "CPU, 1 thread", 2)
    second.begin()
    second.pause()
    first, last = read_sessions(file)
    assert first.seconds is None
    assert last.seconds is not None
    assert last.processes == 2
    before = last.seconds
    second.pause()
    assert read_sessions(file)[-1].seconds >= before


def test_one_that_never_began_writes_nothing(tmp_path):
    Session(tmp_path / "sessions.jsonl", "CPU", 1).pause()
    assert list(tmp_path.iterdir()) == []


def test_those_of_folds_trained_alone_belong_to_the_run_in_order(tmp_path):
    run = RunDir(tmp_path)
    for fold, started in ((2, "2026-01-01T00:00:02+00:00"), (1, "2026-01-01T00:00:01+00:00")):
        run.fold(fold).path.mkdir()
        record = {"started": started, "command": f"--fold {fold}", "device": "CPU", "processes": 1}
        run.fold(fold).sessions.write_text(json.dumps(record) + "\n")
    assert [record.command for record in sessions_of(run)] == ["--fold 1", "--fold 2"]


@pytest.mark.parametrize("content", [b"{", b'{"started": 3}\n', b"\xff\n", b"[]\n", b'{"started": "x"}'])
def test_a_damaged_file_is_told_and_left_out(content, tmp_path, caplog):
    file = tmp_path / "sessions.jsonl"
    file.write_bytes(content)
    with caplog.at_level("WARNING", logger="e1bind"):
        assert read_sessions(file) == []
    assert "sessions.jsonl" in caplog.text


@pytest.mark.parametrize(
    ("argv", "command"),
    [
        (["/usr/bin/e1bind", "train", "my spec.toml"], "e1bind train 'my spec.toml'"),
        (["/lib/e1bind_cli/__main__.py", "train", "a.toml"], "e1bind train a.toml"),
        (["/lib/e1bind/__main__.py", "train", "a.toml"], "e1bind train a.toml"),
        (["/lib/ipykernel_launcher.py", "-f", "kernel.json"], None),
        (["-c"], None),
    ],
)
def test_the_command_is_told_where_it_was_ours(argv, command, monkeypatch):
    monkeypatch.setattr(sys, "argv", argv)
    assert own_command() == command
