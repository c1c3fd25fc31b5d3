"""Runs under the real torchrun: started, watched and signalled from outside, as a scheduler does."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from plugin_packages import environment

TORCHRUN = (sys.executable, "-m", "torch.distributed.run")
E1BIND = (sys.executable, "-m", "e1bind_cli")
STANDALONE = (*TORCHRUN, "--standalone", "--nproc-per-node", "2")


def start(folder: Path, *command: str) -> subprocess.Popen[str]:
    """Start a command in a session of its own."""
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment(env={"OMP_NUM_THREADS": "1"}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def ended(process: subprocess.Popen[str], seconds: float = 180) -> tuple[int, str]:
    """Exit code and output; a process that hangs is killed with all it has started, and the test fails."""
    try:
        said, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        for pid in (*descendants(process.pid), process.pid):
            os.kill(pid, signal.SIGKILL)
        raise
    return process.returncode, said


def wait_for(path: Path, text: str, seconds: float = 180) -> None:
    """Until `text` stands in the file."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if path.exists() and text in path.read_text():
            return
        time.sleep(0.02)
    raise AssertionError(f"{text!r} never appeared in {path}")


def descendants(pid: int) -> list[int]:
    """Processes that `pid` started, and what those started, from the outside in."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found += [child, *descendants(child)]
    return found


def ranks(launcher: int) -> list[int]:
    """The training processes of a launcher, in the order they were started."""
    pids = sorted(
        int(child)
        for task in Path(f"/proc/{launcher}/task").glob("*/children")
        for child in task.read_text().split()
    )
    return [pid for pid in pids if b"e1bind_cli" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def send(number: signal.Signals, pids: Sequence[int]) -> None:
    """Send a signal to processes that may be gone by the time it comes to them."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
