"""Import lines of generated code: merged, grouped and sorted as linters want them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping

Imports = Mapping[str, tuple[str, ...]]
"""Module -> names taken from it; ("",) for the module itself, ("as np",) under another name."""


def import_lines(wanted: Iterable[Imports]) -> str:
    """The lines for all of `wanted`."""
    merged: dict[str, set[str]] = {}
    for imports in wanted:
        for module, names in imports.items():
            merged.setdefault(module, set()).update(names)
    groups: list[list[str]] = [[], [], []]
    for module, taken in merged.items():
        groups[_group(module)] += _lines(module, taken)
    blocks = ["\n".join(sorted(group, key=_order)) for group in groups if group]
    return "\n\n".join(blocks)


def _group(module: str) -> int:
    root = module.split(".")[0]
    return 0 if root in sys.stdlib_module_names else 2 if root == "e1bind" else 1


def _lines(module: str, names: set[str]) -> list[str]:
    plain = [f"import {module} {name}".rstrip() for name in names if name == "" or name.startswith("as ")]
    taken = sorted((n for n in names if n and not n.startswith("as ")), key=lambda n: (not n.isupper(), n))
    if not taken:
        return plain
    line = f"from {module} import {', '.join(taken)}"
    if len(line) > 100:
        line = f"from {module} import (\n" + "".join(f"    {name},\n" for name in taken) + ")"
    return [*plain, line]


def _order(line: str) -> tuple[bool, str]:
    return line.startswith("from"), line
