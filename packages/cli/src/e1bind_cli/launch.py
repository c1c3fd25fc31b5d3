"""Several processes on this machine, by torchrun's own launcher."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence


def launch(processes: int, arguments: Sequence[str]) -> int:
    """Run this very command in `processes` processes under torchrun; its exit code."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    return subprocess.run([*command, "-m", "e1bind_cli", *without_nproc(arguments)]).returncode


def without_nproc(arguments: Sequence[str]) -> list[str]:
    """The command line for one of the processes."""
    kept, skip = [], False
    for argument in arguments:
        if skip:
            skip = False
        elif argument == "--nproc":
            skip = True
        elif not argument.startswith("--nproc="):
            kept.append(argument)
    return kept
