"""Progress bars on a terminal; nothing in a pipe or a log file, where the log's lines say enough."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from e1bind.engine.events import Listener
from e1bind_cli.console import bars_wanted, err, is_main


class Bars(Listener):
    """One bar: the stage at hand."""

    def __init__(self, bars: Progress) -> None:
        self.bars = bars
        self.task: TaskID | None = None

    def stage(self, title: str, total: int) -> None:
        self.task = self.bars.add_task(title, total=total, figures="")

    def advance(self, done: int, figures: Mapping[str, float]) -> None:
        if self.task is not None:
            shown = "  ".join(f"{name} {value:,.4g}" for name, value in figures.items())
            self.bars.update(self.task, completed=done, figures=shown)

    def stage_done(self) -> None:
        if self.task is not None:
            self.bars.remove_task(self.task)
            self.task = None


@contextmanager
def progress() -> Iterator[Listener]:
    """A listener that draws bars where somebody can see them."""
    if not (is_main() and bars_wanted()):
        yield Listener()
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[figures]}", markup=False),
    )
    with Progress(*columns, console=err, transient=True) as bars:
        yield Bars(bars)
