"""`e1bind runs`: the runs in a folder, and where each of them stands."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from e1bind_cli.arguments import AsJson
from e1bind_cli.console import out

if TYPE_CHECKING:
    from e1bind.runs.listing import ListedRun

_COLOURS = {"finished": "green", "training": "cyan", "interrupted": "yellow", "damaged": "red", "no run": "dim"}
_COLUMNS = {"run": 6, "state": 12, "spec": 4, "ions": 4, "metric": 6, "begun": 10}
"""Columns and their least widths, at which states and dates are whole words still."""

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of runs, or one run.", show_default="results")]


def runs(folder: Folder = Path("results"), as_json: AsJson = False) -> None:
    """List the runs in a folder, the newest first: finished, training, interrupted (and where), or damaged."""
    from e1bind.runs.listing import list_runs

    found = list_runs(folder)
    if as_json:
        typer.echo(json.dumps([run.as_json() for run in found], indent=2))
        return
    if not found:
        out.print(f"there is no run in {folder}", soft_wrap=True)
        return
    rows = Table(box=box.SIMPLE, show_edge=False, padding=0)
    for column, least in _COLUMNS.items():
        rows.add_column(column, overflow="fold", min_width=least)
    for run in found:
        rows.add_row(*_cells(run))
    out.print(rows)


def _cells(run: ListedRun) -> list[Text]:
    state = Text.assemble((run.state, _COLOURS[run.state]), f": {run.detail}" if run.detail else "")
    value = "" if math.isnan(run.value) else f" {run.value:.3f}"
    begun = "" if run.begun is None else f"{run.begun:%Y-%m-%d %H:%M}"
    texts = (run.spec, " ".join(run.ions), run.metric + value, begun)
    return [Text(run.path.name), state, *map(Text, texts)]
