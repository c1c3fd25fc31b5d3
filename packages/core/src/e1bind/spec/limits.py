"""What no value of a spec may be, whichever table it stands in: values that other parts could not even print."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from e1bind.errors import Problem
from e1bind.files.text import control_character, visible

MAX_DEPTH = 30
"""Tables and lists within each other; the deepest table of a spec has a handful of levels."""
MAX_KEY = 200
"""Characters of a key."""
MAX_BYTES = 10 * 2**20
"""Size of a spec file."""
MAX_FILES = 100
"""Spec files read for one spec, each as often as another one extends it."""
_MAX_PATH, _MAX_NAME = 4000, 255
"""Bytes of a path and of one name in it that common file systems take."""

TOO_DEEP = f"tables or lists stand more than {MAX_DEPTH} levels deep; a spec needs no such nesting"
TOO_LONG_NUMBER = "holds a number of thousands of digits; whole numbers have at most 64 bits"


def value_problems(value: Any, path: tuple[str, ...] = ()) -> list[Problem]:
    """What is wrong with a value at `path` and all within it; without recursion, so that any depth can be told."""
    problems: list[Problem] = []
    open_: list[tuple[Any, tuple[str, ...]]] = [(value, path)]
    for inner, at in open_:  # which grows meanwhile: level by level
        if len(at) > MAX_DEPTH and isinstance(inner, Mapping | list):
            return [Problem(dotted(at[:5]) + " ...", TOO_DEEP)]
        if isinstance(inner, Mapping):
            for key, below in inner.items():
                if fault := _key_fault(key):
                    problems.append(Problem(dotted((*at, key)), fault))
                else:
                    open_.append((below, (*at, key)))
        elif isinstance(inner, list):
            open_ += [(below, (*at, f"[{index}]")) for index, below in enumerate(inner)]
        elif isinstance(inner, int) and not -(2**63) <= inner < 2**63:
            problems.append(Problem(dotted(at), "is out of range: whole numbers have at most 64 bits"))
    return problems


def dotted(path: Sequence[str]) -> str:
    """`training.ions[3]`, printable and not over-long."""
    text = visible(".".join(path)).replace(".[", "[").replace("\n", "\\n")
    return text if len(text) <= MAX_KEY else f"{text[: MAX_KEY - 3]}..."


def _key_fault(key: str) -> str | None:
    if strange := control_character(key):
        return f"the key holds the control character {strange}"
    return f"the key has {len(key)} characters; at most {MAX_KEY} are allowed" if len(key) > MAX_KEY else None


def path_fault(text: str) -> str | None:
    """Why `text` can be no path on any common file system; None where it may be one."""
    if strange := control_character(text):
        return f"the path holds the control character {strange}"
    if len(os.fsencode(text)) > _MAX_PATH or any(len(name) > _MAX_NAME for name in _names(text)):
        return f"the path is too long ({len(text)} characters): {text[:60]}..."
    return None


def _names(text: str) -> Iterator[bytes]:
    return (os.fsencode(part) for part in Path(text).parts)
