"""The log of a run, `training.log`: what was done, in order, over all its processes' lives."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from e1bind.errors import Interrupted, RunError
from e1bind.log import LineFormatter, log


@contextmanager
def logging_to(path: Path | None) -> Iterator[None]:
    """Send log lines to the end of a file as well, and how what is inside came to its end; None: to no file.

    Raises `RunError` where a folder stands in the file's place.
    """
    if path is None:
        yield
        return
    path.parent.mkdir(exist_ok=True)
    if path.is_dir():
        raise RunError(f"{path} is a folder where a file belongs; remove it")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    with open(descriptor, "a", encoding="utf-8", errors="backslashreplace") as file:
        handler = logging.StreamHandler(file)
        handler.setFormatter(LineFormatter("%(asctime)s %(levelname)-7s %(message)s"))
        handler.setLevel(logging.INFO)
        log.addHandler(handler)
        if log.getEffectiveLevel() > logging.INFO:
            log.setLevel(logging.INFO)
        try:
            yield
        except Interrupted as stop:
            log.warning("%s", stop)
            raise
        except BaseException as error:
            log.error("the run stopped: %s: %s", type(error).__name__, error)
            raise
        finally:
            log.removeHandler(handler)
