"""A disk without room, by a real limit of the system, outside of training: one sentence, nothing half-written."""

from __future__ import annotations

import os
import resource
import shutil
import sys
from pathlib import Path

import pytest
from forks import fork, wait

from e1bind_cli.app import run as e1bind

KILOBYTES = {"predict": 0, "evaluate": 8, "report": 8, "compare": 0, "collect": 4, "schema": 4}


@pytest.mark.parametrize("command", KILOBYTES)
def test_no_room_is_told_in_one_sentence(whole, short_data, tmp_path, command):
    one, two = (Path(shutil.copytree(whole, tmp_path / name)) for name in ("one", "two"))
    out = tmp_path / "out"
    arguments = {
        "predict": ["predict", str(one), str(short_data / "new.fasta"), "-o", str(out / "o.csv")],
        "evaluate": [
            "evaluate",
            str(one),
            "--data",
            str(short_data / "new.fasta"),
            "--resamples",
            "20",
            "-o",
            str(out),
        ],
        "report": ["report", str(one)],
        "compare": ["compare", str(one), str(two), "-o", str(out)],
        "collect": ["collect", str(one)],
        "schema": ["schema", "-o", str(out / "schema.json")],
    }[command]
    summary = (one / "summary.json").read_bytes()
    reading, writing = os.pipe()

    def work() -> None:
        limit = KILOBYTES[command] * 1024
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        os.dup2(writing, 2)  # a pipe, which the limit does not concern
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115 - for the rest of the child's life
        assert e1bind(arguments) == 2

    code = wait(fork(work, Path(os.devnull)))
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    assert code == 0, said
    assert "cannot be written" in " ".join(said.split())
    assert "Traceback" not in said
    assert (one / "summary.json").read_bytes() == summary
    left = [*one.rglob(".*.tmp"), *(out.rglob("*") if out.exists() else [])]
    assert not [file for file in left if file.suffix == ".tmp" or not file.stat().st_size]
