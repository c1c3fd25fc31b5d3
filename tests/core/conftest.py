"""What tests of several rooms of core share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """Write a FASTA file."""

    def make(text: str) -> Path:
        path = tmp_path / "input.fasta"
        path.write_text(text)
        return path

    return make
