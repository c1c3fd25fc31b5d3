"""Importing large libraries without looking for garbage in what they make, which lives as long as the process."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """No cycles are collected inside; afterwards they are again, where they were before.

    Importing torch, transformers and their like makes a million objects, through all of which Python's collector
    goes several times meanwhile: a fifth of the time of such imports, and none of it is garbage.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
