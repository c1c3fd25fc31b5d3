"""Where output goes: results to stdout, everything said along the way to stderr."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


@dataclass
class State:
    """Options of the `e1bind` command itself."""

    debug: bool = False


state = State()
