"""A finished run for the commands that use one; each file of tests has its own, since some write into it."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_runs import SPEC, train_once


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    text = SPEC.format(data=root / "examples" / "data").replace("epochs = 2", "epochs = 1")
    return train_once(tmp_path_factory.mktemp("cli"), text).run.path


@pytest.fixture
def fasta(tmp_path: Path) -> Path:
    path = tmp_path / "in.fasta"
    path.write_text(">a\nMKVHCDEACGHK\n>b\nMKVLLHH\n")
    return path
