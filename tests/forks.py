"""Work in forked processes that can be killed: real signals without the time that importing torch again takes."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path


def fork(work: Callable[[], object], log: Path, env: dict[str, str] | None = None) -> int:
    """Start `work` in a child; its pid. The child's output goes to `log`; it exits 0, or 1 after an exception."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.environ.update(env or {})
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        work()
        code = 0
    except BaseException:  # noqa: BLE001 - the child reports whatever happened and ends
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(code)


def wait(pid: int, seconds: float = 120) -> int:
    """Exit code of a child, negative the signal that ended it. One that hangs is killed, and the test fails."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    raise AssertionError(f"process {pid} was still there after {seconds} s")


def ranks(work: Callable[[], object], log: Path, size: int = 2) -> list[int]:
    """Start `work` in `size` children with the environment torchrun gives; their pids."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {"WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    return [fork(work, log, {**common, "RANK": str(rank), "LOCAL_RANK": str(rank)}) for rank in range(size)]


def kill_at(call: int, module: object, name: str) -> None:
    """In a child: replace `module.name` so that its `call`-th call (from 1) is a kill -9 instead."""
    real = getattr(module, name)
    seen = 0

    def counted(*arguments: object, **named: object) -> object:
        nonlocal seen
        seen += 1
        if seen == call:
            sys.stderr.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **named)

    setattr(module, name, counted)
