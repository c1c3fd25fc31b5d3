"""Where output goes: results to stdout, everything said along the way to stderr."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import typer
from rich.console import Console

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


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
        err.print(f"interrupted; {outcome}", markup=False, soft_wrap=True)
        raise typer.Exit(EXIT_INTERRUPTED) from None
