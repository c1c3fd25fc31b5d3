"""Progress bars whose time left can be read in any terminal: what does not fit is the bar's, and cut at the end."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, Task, TextColumn, TimeRemainingColumn
from rich.table import Column
from rich.text import Text

_ROOMY = 80
"""Columns from which on the bar has its full length."""


class _Tail(TextColumn):
    """What else there is to say, as far as there is room for it."""

    def __init__(self) -> None:
        super().__init__("{task.fields[tail]}", markup=False, table_column=Column())

    def render(self, task: Task) -> Text:
        text = super().render(task)
        text.no_wrap, text.overflow = True, "ellipsis"
        return text


def bars(console: Console) -> Progress:
    """Bars with a title, how far they are, the time left, and the field `tail` of each task."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        TimeRemainingColumn(table_column=Column(no_wrap=True)),
        BarColumn(bar_width=20 if console.width >= _ROOMY else 8, table_column=Column(no_wrap=True)),
        _Tail(),
        console=console,
        transient=True,
    )
