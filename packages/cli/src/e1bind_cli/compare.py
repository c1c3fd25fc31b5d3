"""`e1bind compare`: runs side by side."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from e1bind.plugins.uncollected import uncollected
from e1bind_cli.arguments import AsJson
from e1bind_cli.completion import run_folders
from e1bind_cli.console import echo, err, log_to_terminal, out
from e1bind_cli.results import between, three

if TYPE_CHECKING:
    from e1bind.inference.compare import Comparison, Figure
    from e1bind.metrics.paired import Range

Runs = Annotated[
    list[Path],
    typer.Argument(
        metavar="RUN RUN ...",
        help="Run directories, two or more.",
        show_default=False,
        autocompletion=run_folders,
    ),
]
Output = Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Where tables and figures go.")]


Resamples = Annotated[int, typer.Option(min=20, help="Draws of proteins for the intervals.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the draws.")]


def compare(
    runs: Runs,
    output: Output = Path("comparison"),
    resamples: Resamples = 1000,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Compare finished runs: what differs in their specs, their metrics, and how far they are above the first."""
    with uncollected():
        from e1bind import workflow

    log_to_terminal()
    comparison = workflow.compare(runs, output, resamples, seed)
    if as_json:
        from e1bind.files.reading import plain

        echo(json.dumps(plain(asdict(comparison)), indent=2))
        return
    for warning in comparison.warnings:
        err.print(f"warning: {warning}", soft_wrap=True)
    _print_spec(comparison)
    for ion in comparison.figures:
        _print_ion(comparison, ion)
    err.print(f"wrote tables and figures into {output}", soft_wrap=True)


def _print_spec(comparison: Comparison) -> None:
    from e1bind.inference.comparison_tables import spec_value

    if not comparison.spec:
        out.print("The specs do not differ.")
        return
    table = _table("Where the specs differ", comparison.names, "value")
    for path, values in comparison.spec.items():
        table.add_row(Text(path), *(Text(spec_value(value) or "-") for value in values))
    out.print(table)


def _table(title: str, names: Sequence[str], first: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE, show_edge=False, padding=(0, 1))
    for column in (first, *names):
        table.add_column(Text(column), overflow="fold")
    return table


def _print_ion(comparison: Comparison, ion: str) -> None:
    metrics, names = comparison.figures[ion], comparison.names
    table = _table(f"{ion}, out of fold: all folds together (95 % over proteins), and the folds", names, "metric")
    for metric, found in metrics.items():
        table.add_row(Text(metric), *(_pooled(value) for value in found))
    for name, of in comparison.baselines[ion].items():
        if "auprc" in of:
            table.add_row(Text(f"auprc of {name}"), *(_pooled(value) for value in of["auprc"]))
    out.print(table)
    above = {metric: row for metric, row in metrics.items() if any(v and _known(v.above_first) for v in row[1:])}
    if above:
        table = _table(f"{ion}: above {names[0]}, on the same residues and draws (95 %)", names[1:], "metric")
        for metric, row in above.items():
            table.add_row(Text(metric), *(_range(value.above_first if value else None, "+") for value in row[1:]))
        out.print(table)
    for test in dict.fromkeys(test for row in metrics.values() for value in row if value for test in value.test):
        table = _table(f"{ion}, test chains of {test} (95 % over proteins)", names, "metric")
        for metric, row in metrics.items():
            table.add_row(Text(metric), *(_range(value.test.get(test) if value else None) for value in row))
        out.print(table)


def _known(found: Range) -> bool:
    return found.value == found.value


def _range(found: Range | None, sign: str = "") -> str:
    if found is None or not _known(found):
        return "-"
    interval = between(found.low, found.high, sign)
    return three(found.value, sign) + ("" if interval == "-" else f" ({interval})")


def _pooled(found: Figure | None) -> str:
    """The value of all folds together; under it what single folds reach from and to."""
    folds = found.known_folds if found is not None else []
    under = f"\nfolds {min(folds):.3f} to {max(folds):.3f}" if len(folds) > 1 else ""
    return _range(found.oof if found else None) + under
