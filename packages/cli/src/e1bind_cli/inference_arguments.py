"""Arguments that the commands on finished runs share, and their progress bar."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from e1bind_cli.console import err

Run = Annotated[Path, typer.Argument(metavar="RUN", help="Run directory.", show_default=False)]
Ions = Annotated[
    list[str] | None, typer.Option("--ion", metavar="ION", help="Only this ion; repeatable.", show_default=False)
]
MsaDir = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Alignments {id}.a3m or {id}.a3m.gz.", show_default=False)
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
Threads = Annotated[int | None, typer.Option(min=1, help="CPU threads.", show_default="all")]
MaxTokens = Annotated[
    int | None,
    typer.Option(min=1, help="Residues of one batch; less needs less memory.", show_default="4096, on a GPU 16384"),
]
Checkpoint = Annotated[
    str | None,
    typer.Option(metavar="PATH", help="Where the backbone stands, if not where the run says.", show_default=False),
]


def set_threads(threads: int | None) -> None:
    """Let torch use so many CPU threads."""
    if threads is not None:
        import torch

        torch.set_num_threads(threads)


@contextmanager
def chains_bar(total: int | None) -> Iterator[Callable[[int], None]]:
    """A bar over chains where somebody can see it; what it yields is told the residues of each that is done."""
    if not err.is_terminal:
        yield lambda _: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("chains"), BarColumn(bar_width=20), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[residues]:,} residues"), console=err, transient=True) as bars:
        task = bars.add_task("", total=total, residues=0)
        residues = 0

        def advance(length: int) -> None:
            nonlocal residues
            residues += length
            bars.update(task, advance=1, residues=residues)

        yield advance
