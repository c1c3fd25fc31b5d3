"""The public names and signatures that plugins are written against, frozen: a change of them is a decision.

Run as a script, this prints them as `tests/data/public_names.txt` holds them.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

MODULES = ("e1bind.plugins", "e1bind.contracts", "e1bind.spec", "e1bind.testing")
FROZEN = Path(__file__).resolve().parents[2] / "data" / "public_names.txt"


def public_names() -> str:
    return "".join(f"{line}\n" for name in MODULES for line in _module(importlib.import_module(name)))


def _module(module: ModuleType) -> Iterator[str]:
    own = [n for n, v in vars(module).items() if not n.startswith("_") and _is_own(module, n, v)]
    for name in sorted(getattr(module, "__all__", own)):
        yield from _described(f"{module.__name__}.{name}", getattr(module, name))


def _is_own(module: ModuleType, name: str, value: Any) -> bool:
    return (name.isupper() and name != "TYPE_CHECKING") or getattr(value, "__module__", None) == module.__name__


def _described(path: str, value: Any) -> Iterator[str]:
    if inspect.isclass(value):
        yield f"{path}{_signature(value)}"
        for name, member in sorted(_members(value).items()):
            yield f"{path}.{name}{member}"
    elif callable(value) and not isinstance(value, frozenset):
        yield f"{path}{_signature(value)}"
    else:
        yield f"{path} = {value!r}"


def _members(cls: type) -> dict[str, str]:
    """Annotated attributes, methods and properties that the class, not one of another package, has."""
    found: dict[str, str] = {}
    for base in reversed([b for b in cls.__mro__ if b.__module__.startswith("e1bind")]):
        found |= {n: f": {a}" for n, a in inspect.get_annotations(base).items() if not n.startswith("_")}
        for name, member in vars(base).items():
            plain = member.__func__ if isinstance(member, classmethod | staticmethod) else member
            if name.startswith("_") and name != "__call__":
                continue
            if isinstance(member, property):
                found[name] = " (property)"
            elif inspect.isfunction(plain):
                found[name] = _signature(plain)
    return found


def _signature(value: Any) -> str:
    try:
        return re.sub(r" at 0x[0-9a-f]+", "", str(inspect.signature(value)))
    except (ValueError, TypeError):
        return ""


def test_public_names_are_as_they_were_frozen() -> None:
    frozen, now = FROZEN.read_text(encoding="utf-8"), public_names()
    lines = difflib.unified_diff(frozen.splitlines(), now.splitlines(), "frozen", "now", lineterm="", n=0)
    path = Path(__file__).relative_to(FROZEN.parents[2])
    advice = f"docs/plugin-api.md says what it means; then: python {path} > {FROZEN.relative_to(FROZEN.parents[2])}"
    assert frozen == now, "\n".join([*lines, advice])


if __name__ == "__main__":
    print(public_names(), end="")
