"""Functions of a plugin module that were meant to be hooks and are none, for want of a line above them."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable
from types import ModuleType

from e1bind.plugins.hookspecs import PROJECT

_NEARLY = 0.8
"""From which similarity of names on a function is taken for a misspelled hook."""


def refuse_forgotten(module: ModuleType, hooks: Iterable[str]) -> None:
    """Raise `ValueError` for a function without `@hookimpl` that is called like a hook, or nearly so.

    pluggy passes such a function over, and its components would be missing without a word.
    """
    known = sorted(hooks)
    for name, value in vars(module).items():
        own = inspect.isfunction(value) and value.__module__ == module.__name__
        if not own or hasattr(value, f"{PROJECT}_impl") or not name.startswith(f"{PROJECT}_"):
            continue
        if name in known:
            raise ValueError(f"{name} is not marked as a hook: put @hookimpl above it")
        if close := difflib.get_close_matches(name, known, n=1, cutoff=_NEARLY):
            advice = f"put @hookimpl above it and call it {close[0]}, or give it another name"
            raise ValueError(f"{name} looks like the hook {close[0]}, but is not marked as one: {advice}")
