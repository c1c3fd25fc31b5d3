"""One damaged package must not fail the libraries that look through all of them.

pydantic, torch, triton and transformers read the entry points or the metadata of every installed package while
they are imported, and one file that cannot be read ends the import. What `importlib.metadata` raises for such a
package is taken here as "it states nothing"; what it returns for others is what it always was.
"""

from __future__ import annotations

from collections.abc import Callable
from email.message import Message
from importlib.metadata import Distribution, EntryPoints
from typing import Any


def spare_neighbours() -> None:
    """Make `Distribution.entry_points` and `.metadata` of damaged packages empty, once and for this process."""
    _tolerate("entry_points", lambda: EntryPoints(()))
    _tolerate("metadata", Message)


def _tolerate(name: str, nothing: Callable[[], Any]) -> None:
    strict: Any = vars(Distribution)[name]
    if getattr(strict.fget, "spares_neighbours", False):
        return

    def tolerant(distribution: Distribution) -> Any:
        try:
            return strict.fget(distribution)
        except (ValueError, TypeError, AttributeError, OSError):
            return nothing()

    tolerant.spares_neighbours = True  # type: ignore[attr-defined]
    setattr(Distribution, name, property(tolerant, doc=strict.__doc__))
