"""Docstrings as reStructuredText: the aligned columns that they explain fields in become lists."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

_CONTINUED = "  "


def columns_as_list(_app: Any, _what: str, _name: str, _value: Any, _options: Any, lines: list[str]) -> None:
    """Sphinx's event `autodoc-process-docstring`: changes `lines` in place."""
    blocks = [list(block) for _, block in groupby(lines, key=lambda line: bool(line.strip()))]
    lines[:] = [line for block in blocks for line in (_list(block) or block)]


def _list(block: list[str]) -> list[str] | None:
    """The block as a list, where each of its lines is a name and, from one column on, what it means."""
    column = _column(block[0])
    if column is None or not all(_fits(line, column) for line in block):
        return None
    return list(_items(block, column))


def _column(line: str) -> int | None:
    name, gap, rest = line.partition("  ")
    return len(line) - len(rest.lstrip()) if gap and name.isidentifier() and rest.strip() else None


def _fits(line: str, column: int) -> bool:
    """A name that ends before the column, or nothing: then the meaning of the line above goes on."""
    name = line[:column].strip()
    return line[column - 1] == " " and line[column : column + 1].strip() != "" and (not name or name.isidentifier())


def _items(block: list[str], column: int) -> Iterator[str]:
    for line in block:
        name = line[:column].strip()
        yield f"- `{name}`: {line[column:]}" if name else f"{_CONTINUED}{line[column:]}"
