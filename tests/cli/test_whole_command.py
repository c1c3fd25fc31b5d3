"""Options of the whole command: anywhere on the line, and how much is said with each."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_runs import SPEC

from e1bind_cli.app import run as e1bind


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    """The command line takes the library's log for itself."""
    log = logging.getLogger("e1bind")
    before = log.handlers[:], log.level, log.propagate
    yield
    log.handlers[:], log.level, log.propagate = before


@pytest.fixture
def small(tmp_path: Path, root: Path) -> Path:
    file = tmp_path / "spec.toml"
    file.write_text(SPEC.format(data=root / "examples" / "data").replace("epochs = 2", "epochs = 1"))
    return file


@pytest.mark.parametrize("place", [0, 1, 2])
def test_debug_shows_the_traceback_wherever_it_stands(place: int, tmp_path: Path, capsys) -> None:
    words = ["validate", str(tmp_path / "none.toml")]
    assert e1bind([*words[:place], "--debug", *words[place:]]) == 2
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert "there is no spec file" in said
    assert e1bind(words) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_behind_two_dashes_nothing_is_an_option(capsys) -> None:
    assert e1bind(["validate", "--", "--debug"]) == 2
    said = capsys.readouterr().err
    assert "there is no spec file --debug" in said
    assert "Traceback" not in said


def test_quiet_and_verbose_exclude_each_other(capsys) -> None:
    assert e1bind(["list-plugins", "--quiet", "--verbose"]) == 2
    assert "choose one of the two" in capsys.readouterr().err


def test_quiet_says_what_a_run_came_to_and_verbose_every_step(small: Path, tmp_path: Path, capsys) -> None:
    assert e1bind(["train", str(small), "--run-id", "quiet", "--quiet"]) == 0
    said = capsys.readouterr()
    run = tmp_path / "results" / "quiet"
    assert said.out == f"run directory: {run}\n"
    assert said.err == ""
    # The run's own log is what it always is.
    log = (run / "training.log").read_text()
    assert "fold 1: best epoch 1 of 1" in log
    assert e1bind(["predict", str(run), "gone.fasta", "--quiet"]) == 2
    assert "there is no such file" in capsys.readouterr().err
    assert e1bind(["train", "--verbose", str(small), "--run-id", "verbose", "--device", "cpu"]) == 0
    said = capsys.readouterr()
    assert "DEBUG   fold 1, step 1  " in said.err
    assert "DEBUG   reader e1bind-core/fasta3: 13 train chains of ZN" in said.err
    assert "Held-out chains" in said.out
    run = tmp_path / "results" / "verbose"
    assert "DEBUG" not in (run / "training.log").read_text()
    assert json.loads((run / "spec.resolved.json").read_text())["run"]["device"] == "cpu"
    assert (run / "overrides.txt").read_text() == "run.device=cpu\n"


def test_a_device_that_is_none_is_told_as_the_spec_would(small: Path, capsys) -> None:
    assert e1bind(["train", str(small), "--device", "gpu"]) == 2
    assert "run.device" in capsys.readouterr().err
    assert e1bind(["train", "--resume", "somewhere", "--device", "cpu"]) == 2
    assert "--set and --device change a spec" in capsys.readouterr().err
