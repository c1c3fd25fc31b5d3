"""One writer at a time: an advisory lock that the system drops when its process ends, however it ends."""

from __future__ import annotations

import fcntl
import os
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from e1bind.errors import RunError

LOCK = ".lock"
"""A file beside those it guards; never a link, which could be one to somebody else's file."""


@contextmanager
def locked(folder: Path, wanted: bool = True) -> Iterator[None]:
    """Hold the lock of `folder`. Raises `RunError` where another process holds it.

    POSIX record locks, since those work on NFS (version 4, or 3 with a lock daemon) as on a local disk.
    """
    if not wanted:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(folder / LOCK, flags, 0o666)
    except IsADirectoryError:
        raise RunError(f"{folder / LOCK} is a folder where a file belongs; remove it") from None
    with open(descriptor, "a+", encoding="utf-8", errors="replace") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise RunError(
                f"{folder} is being written by another process (pid {holder}); wait for it, or stop it first"
            ) from error
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def is_locked(folder: Path) -> bool:
    """Whether another process holds the lock of `folder`. It is asked about, not taken: nobody is kept out."""
    try:
        descriptor = os.open(folder / LOCK, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:  # there is none, or it cannot be looked at
        return False
    try:
        answer = fcntl.fcntl(descriptor, fcntl.F_GETLK, struct.pack(_FLOCK, *_flock(fcntl.F_WRLCK)))
    finally:
        os.close(descriptor)
    return struct.unpack(_FLOCK, answer) != _flock(fcntl.F_UNLCK)


_LINUX = sys.platform == "linux"
_FLOCK = "hhqqi" if _LINUX else "qqihh"
"""C's `struct flock`: type, whence, start, length, process; on other systems type and whence come last."""


def _flock(kind: int) -> tuple[int, ...]:
    """A lock on a whole file."""
    return (kind, os.SEEK_SET, 0, 0, 0) if _LINUX else (0, 0, 0, kind, os.SEEK_SET)
