"""Running a file of tests in triton's interpreter, which has to be chosen before triton is imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def run_interpreted(file: Path) -> None:
    """In a process of its own. Raises `AssertionError` with what it printed where a test of it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "0", file],
        env={**os.environ, "TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
