"""Where output goes: results to stdout, everything said along the way to stderr.

What is printed quotes names out of files. No console here reads markup, and none sends a control character on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import typer
from rich import box
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table

from e1bind.files.text import visible


class PlainConsole(Console):
    """A console that shows control characters of a text instead of sending them to the terminal."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            # Control segments are Rich's own: movements of the cursor for progress bars.
            yield segment if segment.control else Segment(visible(segment.text), segment.style)


def _console(**options: Any) -> Console:
    return PlainConsole(highlight=False, markup=False, emoji=False, **options)


out = _console()
err = _console(stderr=True)


def echo(text: str) -> None:
    """A line of a result, as it is but for control characters."""
    typer.echo(visible(text))


def table(*columns: str, words: Collection[str] = ()) -> Table:
    """A table of counts: numbers on the right, columns of `words` (or the first and the last) on the left."""
    made = Table(box=box.SIMPLE, show_edge=False, padding=(0, 1))
    for column in columns:
        made.add_column(column, justify="left" if column in (words or (columns[0], columns[-1])) else "right")
    return made


@dataclass
class State:
    """Options of the `e1bind` command itself."""

    debug: bool = False


state = State()

EXIT_INTERRUPTED = 130


@contextmanager
def interruptible(outcome: str) -> Iterator[None]:
    """Where Ctrl-C ends the work inside, say what that leaves."""
    try:
        yield
    except KeyboardInterrupt:
        err.print(f"interrupted; {outcome}", soft_wrap=True)
        raise typer.Exit(EXIT_INTERRUPTED) from None
