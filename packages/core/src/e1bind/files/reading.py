"""Bytes of a file, and the JSON, YAML and arrays in them, read so that a damaged file is told and not believed."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from e1bind.errors import RunError, UserError


@contextmanager
def parsing(path: Path) -> Iterator[None]:
    """Whatever a parser makes of the bytes of `path`, a damaged file is a `RunError` that names it.

    Parsers of arbitrary bytes raise nearly anything (RecursionError for deep nesting, OverflowError and MemoryError
    for wild numbers, errors of zip, numpy or torch), so here all of it counts.
    """
    try:
        yield
    except (UserError, FileNotFoundError):
        raise
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror or error}") from error
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise RunError(f"{path} is damaged and cannot be read: {reason}") from error


def read_bytes(path: Path) -> bytes:
    """The bytes of a regular file. Raises FileNotFoundError, or `RunError` for what is no regular file.

    A symbolic link is not followed: what is read of a run lies in the run.
    """
    with parsing(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise RunError(f"{path} is not a regular file")
            return file.read()
    raise AssertionError("unreachable")


def digest(path: Path) -> str:
    """SHA-256 of a file's bytes, as hex. Raises as `read_bytes`."""
    return sha256(read_bytes(path)).hexdigest()


def json_value(content: bytes, path: Path) -> Any:
    """The value in JSON `content` of `path`. Raises `RunError`."""
    with parsing(path):
        return json.loads(content.decode("utf-8"))


def yaml_value(content: bytes, path: Path) -> Any:
    """The value in YAML `content` of `path`, plain types only. Raises `RunError`."""
    import yaml

    with parsing(path):
        return yaml.safe_load(content.decode("utf-8"))


def plain(value: Any) -> Any:
    """JSON-ready: NaN becomes null, since JSON has none."""
    if isinstance(value, float) and value != value:
        return None
    if isinstance(value, dict) or hasattr(value, "items"):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return value
