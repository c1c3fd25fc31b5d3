"""Text as Markdown: cells that cannot end a table, headings, code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells are Markdown already."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(cell(c) for c in line)} |\n" for line in lines)


def cell(text: str) -> str:
    """On one line, without a bar that would end it."""
    return " ".join(text.split()).replace("|", "\\|")


def code(text: str) -> str:
    """Inline code; nothing for no text."""
    return f"`{text}`" if text else ""


def fenced(language: str, text: str) -> str:
    return f"```{language}\n{text.rstrip()}\n```\n"
