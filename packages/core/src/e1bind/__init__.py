"""e1bind: fine-tune protein language models to find metal-binding residues.

`load_run` opens a finished run in a notebook; it, and all it needs, is imported when it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from e1bind.neighbours import spare_neighbours

if TYPE_CHECKING:
    from e1bind.inference.notebook import load_run

__all__ = ["__version__", "load_run"]
__version__ = "0.1.0"

# Before any room of the house imports pydantic.
spare_neighbours()


def __getattr__(name: str) -> Any:
    """`load_run`, imported now: torch takes seconds, and most commands do without."""
    if name == "load_run":
        from e1bind.inference.notebook import load_run

        return load_run
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), "load_run"])
