"""Progress of training on a terminal; nothing in a pipe or a log file, where the log's lines say enough."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.progress import Progress, TaskID

from e1bind.engine.events import Listener, shown
from e1bind_cli.bars import bars
from e1bind_cli.console import bars_wanted, err, is_main


class Bars(Listener):
    """One bar: the stage at hand."""

    def __init__(self, bars: Progress) -> None:
        self.bars = bars
        self.task: TaskID | None = None
        self.title = ""

    def stage(self, title: str, total: int) -> None:
        self.title = title
        self._begin(title, total)

    def advance(self, done: int, figures: Mapping[str, float]) -> None:
        if self.task is not None:
            self.bars.update(self.task, completed=done, tail=shown(figures))

    def stage_done(self) -> None:
        if self.task is not None:
            self.bars.remove_task(self.task)
            self.task = None

    def validate(self, done: int, total: int) -> None:
        self._parts(f"{self.title}, validation", done, total)

    def draw(self, done: int, total: int) -> None:
        self._parts("drawing figures", done, total)

    def _begin(self, title: str, total: int) -> None:
        self.stage_done()
        self.task = self.bars.add_task(title, total=total, tail="")

    def _parts(self, title: str, done: int, total: int) -> None:
        """A stage that is told of by its parts alone: it begins with the first of them and ends with the last."""
        if self.task is None:
            self._begin(title, total)
        self.advance(done, {})
        if done == total:
            self.stage_done()


@contextmanager
def progress() -> Iterator[Listener]:
    """A listener that draws bars where somebody can see them."""
    if not (is_main() and bars_wanted()):
        yield Listener()
        return
    with bars(err) as drawn:
        yield Bars(drawn)
