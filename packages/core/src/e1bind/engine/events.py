"""What the engine tells whoever watches: progress, through a listener. (Text goes through `e1bind.log`.)"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Listener:
    """Progress events; this one ignores them. The command line draws bars from them."""

    def stage(self, title: str, total: int) -> None:
        """A stage of `total` micro-batches begins."""

    def advance(self, done: int, figures: Mapping[str, float]) -> None:
        """`done` micro-batches of the stage are done; `figures` are worth showing (losses, residues per second)."""

    def stage_done(self) -> None:
        """The stage is over."""

    def epoch_done(self, fold: int, epoch: int, rows: list[dict[str, Any]]) -> None:
        """An epoch was validated; `rows` are their figures."""
