"""Where output goes: results to stdout, everything said along the way to stderr.

What is printed quotes names out of files. No console here reads markup, and none sends a control character on.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import typer
from rich import box
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table

from e1bind.files.text import visible
from e1bind.log import LineFormatter

_NO_EDGE = 100_000
"""Columns where no terminal is: a table in a pipe or a file is as wide as what it holds."""


class PlainConsole(Console):
    """A console that shows control characters of a text instead of sending them to the terminal."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            # Control segments are Rich's own: movements of the cursor for progress bars.
            yield segment if segment.control else Segment(visible(segment.text), segment.style)


def _console(stderr: bool = False) -> Console:
    """A console that breaks no line where nobody has said how wide the place is that it writes to."""
    known = (sys.stderr if stderr else sys.stdout).isatty() or os.environ.get("COLUMNS", "").isdigit()
    width = None if known else _NO_EDGE
    return PlainConsole(stderr=stderr, highlight=False, markup=False, emoji=False, width=width)


out = _console()
"""Results."""
err = _console(stderr=True)
"""What is said along the way; nothing with --quiet."""
errors = _console(stderr=True)
"""What ended a command."""


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
    quiet: bool = False
    verbose: bool = False


state = State()

EXIT_INTERRUPTED = 130


@contextmanager
def interruptible(outcome: str) -> Iterator[None]:
    """Where Ctrl-C ends the work inside, say what that leaves."""
    try:
        yield
    except KeyboardInterrupt:
        errors.print(f"interrupted; {outcome}", soft_wrap=True)
        raise typer.Exit(EXIT_INTERRUPTED) from None


def bars_wanted() -> bool:
    """Whether somebody can see progress bars, and wants to."""
    return err.is_terminal and not state.quiet


def is_main() -> bool:
    """Whether this process is the one of a run that talks."""
    return os.environ.get("RANK", "0") == "0"


def log_to_terminal() -> None:
    """Show the library's log lines on stderr; only errors with --quiet, and of processes but the main one."""
    main = is_main()
    log = logging.getLogger("e1bind")
    log.handlers.clear()
    log.propagate = False
    log.setLevel(logging.DEBUG if state.verbose and main else logging.INFO)
    if err.is_terminal:
        from rich.logging import RichHandler

        handler: logging.Handler = RichHandler(
            console=errors if state.quiet else err, show_path=False, markup=False, log_time_format="%H:%M:%S"
        )
        handler.setFormatter(logging.Formatter("%(message)s"))
        handler.addFilter(lambda record: not getattr(record, "progress", False))  # the bar says it
    else:
        handler = logging.StreamHandler()
        handler.setFormatter(LineFormatter("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S"))
    handler.setLevel(logging.ERROR if state.quiet or not main else logging.NOTSET)
    log.addHandler(handler)
