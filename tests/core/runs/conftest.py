"""Small real runs to damage: one finished, with an evaluation in it, and one killed in its second fold."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import torch
from forks import fork, kill_at, wait
from small_runs import SPEC, train_once

from e1bind.runs.fold_state import StateFiles
from e1bind_cli.app import run as e1bind

SHORT = ("5a7u_A", "1oi0_A", "6zu5_LMM", "6zu5_LJJ", "6zu5_SDD", "6zu5_SBB")


@pytest.fixture(scope="session")
def short_data(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    """A folder with six short zinc chains, labelled."""
    folder = tmp_path_factory.mktemp("short")
    records = (root / "examples" / "data" / "ZN_train.fasta").read_text().split(">")[1:]
    (folder / "ZN_train.fasta").write_text("".join(f">{r}" for r in records if r.split()[0] in SHORT))
    (folder / "new.fasta").write_text(">new\nMKVHCDEACGHKLLPW\n0001100001100000\n")
    return folder


@pytest.fixture(scope="session")
def short_spec(short_data: Path, root: Path) -> str:
    """A run of a second."""
    text = SPEC.format(data=root / "examples" / "data")
    text = text.replace(f'train = "{root}/examples/data', f'train = "{short_data}')
    return text.replace("compute = []", 'compute = ["residue-type"]') + '\ncalibration = "platt"\n'


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory, short_spec: str, short_data: Path) -> Path:
    """A finished run with report and evaluation; nobody writes into it."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("whole")
    run = train_once(folder, short_spec, "whole").run.path
    assert e1bind(["report", str(run)]) == 0
    assert e1bind(["evaluate", str(run), "--data", str(short_data / "new.fasta"), "--resamples", "20"]) == 0
    return run


@pytest.fixture(scope="session")
def killed(tmp_path_factory: pytest.TempPathFactory, short_spec: str) -> Path:
    """A run that kill -9 ended in its second fold."""
    folder = tmp_path_factory.mktemp("killed")
    (folder / "spec.toml").write_text(
        short_spec.replace("accum_steps = 2", "accum_steps = 1\nsave_every_steps = 1")
    )

    def work() -> None:
        kill_at(9, StateFiles, "save")
        e1bind(["train", str(folder / "spec.toml"), "--run-id", "killed"])

    assert wait(fork(work, folder / "log")) == -signal.SIGKILL, (folder / "log").read_text()
    run = folder / "results" / "killed"
    assert (run / "fold_1" / "fold.json").exists()
    assert not (run / "fold_2" / "fold.json").exists()
    assert os.listdir(run / "fold_2" / "last")
    return run
