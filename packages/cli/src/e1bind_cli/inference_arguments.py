"""Arguments that the commands on finished runs share, and their progress bar."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from e1bind.errors import UserError
from e1bind_cli.completion import run_folders
from e1bind_cli.console import bars_wanted, err

Run = Annotated[
    Path, typer.Argument(metavar="RUN", help="Run directory.", show_default=False, autocompletion=run_folders)
]
Ions = Annotated[
    list[str] | None, typer.Option("--ion", metavar="ION", help="Only this ion; repeatable.", show_default=False)
]
MsaDir = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="Alignments: a folder of {id}.a3m(.gz), or a path with {id}.", show_default=False
    ),
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
Thresholds = Annotated[
    list[str] | None,
    typer.Option(
        "--threshold",
        metavar="ION=VALUE",
        help="Call from this probability on, on purpose not the run's own threshold; repeatable.",
        show_default=False,
    ),
]
Strict = Annotated[bool, typer.Option("--strict", help="Stop at the first bad record instead of leaving it out.")]
RareToX = Annotated[bool, typer.Option("--rare-to-x", help="Read B, J, O, U and Z as X.")]
TrustRunCode = Annotated[
    bool, typer.Option("--trust-run-code", help="Run the plugins and checkpoint code that the run brings along.")
]


def chosen_thresholds(texts: list[str] | None) -> dict[str, float]:
    """The thresholds of the command line by ion. Raises `UserError`."""
    chosen = {}
    for text in texts or ():
        ion, _, value = text.rpartition("=")
        try:
            chosen[ion] = float(value)
        except ValueError:
            chosen[ion] = math.nan
        if not ion or not 0 <= chosen[ion] <= 1:
            raise UserError(f"--threshold {text}: write ION=VALUE with a probability from 0 to 1, as in ZN=0.5")
    return chosen


def set_threads(threads: int | None) -> None:
    """Let torch use so many CPU threads."""
    if threads is not None:
        import torch

        torch.set_num_threads(threads)


@contextmanager
def chains_bar(total: int | None) -> Iterator[Callable[[int], None]]:
    """A bar over chains where somebody can see it; what it yields is told the residues of each that is done."""
    if not bars_wanted():
        yield lambda _: None
        return
    from e1bind_cli.bars import bars

    with bars(err) as drawn:
        task = drawn.add_task("chains", total=total, tail="")
        residues = 0

        def advance(length: int) -> None:
            nonlocal residues
            residues += length
            drawn.update(task, advance=1, tail=f"{residues:,} residues")

        yield advance
