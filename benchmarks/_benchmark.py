"""What a benchmark is, a table of its figures, and which benchmarks there are. Imports nothing heavy."""

from __future__ import annotations

import ast
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich import box, table
from rich.text import Text

HERE = Path(__file__).parent
Figures = dict[str, Any]
Cell = str | int | float | None
Step = Callable[[], object]


@dataclass(frozen=True)
class Table:
    """Figures in rows; the first column names them."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]

    def rich(self) -> table.Table:
        """For the terminal."""
        drawn = table.Table(title=self.title, box=box.SIMPLE_HEAD)
        for number, column in enumerate(self.columns):
            drawn.add_column(column, justify="right" if number else "left")
        for row in self.rows:
            drawn.add_row(*(Text(_text(cell)) for cell in row))
        return drawn

    def markdown(self) -> str:
        """For RESULTS.md."""
        lines = [self.columns, ["---"] * len(self.columns), *([_text(cell) for cell in row] for row in self.rows)]
        return "\n".join([f"**{self.title}**", "", *(f"| {' | '.join(line)} |" for line in lines)])


def _text(cell: Cell) -> str:
    if cell is None:
        return ""
    return cell if isinstance(cell, str) else f"{cell:,}"


def _no_options(parser: ArgumentParser) -> None:
    """The common ones are enough."""


@dataclass(frozen=True)
class Benchmark:
    """How a module is run; the package's docstring says what each function owes."""

    run: Callable[[Namespace], Figures]
    tables: Callable[[Figures], list[Table]]
    options: Callable[[ArgumentParser], None] = _no_options
    quick: Sequence[str] = ()
    peak: Callable[[Namespace], Step] | None = None


@dataclass(frozen=True)
class Listed:
    """A benchmark as its source says, without importing it. `alone`: why it is no part of `all`."""

    name: str
    summary: str
    alone: str | None


def listed() -> list[Listed]:
    """All benchmarks by name."""
    return [_listed(path) for path in sorted(HERE.glob("[!_]*.py"))]


def _listed(path: Path) -> Listed:
    module = ast.parse(path.read_text(encoding="utf-8"))
    alone = None
    for node in module.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            (target,) = node.targets
            if isinstance(target, ast.Name) and target.id == "ALONE":
                alone = str(node.value.value)
    return Listed(path.stem, (ast.get_docstring(module) or "").partition("\n")[0], alone)
