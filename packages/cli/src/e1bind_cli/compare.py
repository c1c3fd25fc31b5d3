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

from e1bind_cli.arguments import AsJson
from e1bind_cli.completion import run_folders
from e1bind_cli.console import echo, err, log_to_terminal, out

if TYPE_CHECKING:
    from e1bind.inference.compare import Comparison, Figure

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


def compare(runs: Runs, output: Output = Path("comparison"), as_json: AsJson = False) -> None:
    """Compare finished runs: what differs in their specs, and their metrics side by side."""
    from e1bind import workflow

    log_to_terminal()
    comparison = workflow.compare(runs, output)
    if as_json:
        from e1bind.files.reading import plain

        echo(json.dumps(plain(asdict(comparison)), indent=2))
        return
    for warning in comparison.warnings:
        err.print(f"warning: {warning}", soft_wrap=True)
    _print_spec(comparison)
    for ion, metrics in comparison.figures.items():
        table = _table(f"{ion}: all folds together ± standard deviation over folds", comparison.names, "metric")
        for metric, found in metrics.items():
            table.add_row(metric, *(_figure(value) for value in found))
        for name, of in comparison.baselines[ion].items():
            if "auprc" in of:
                table.add_row(Text(f"auprc of {name}"), *(_figure(value) for value in of["auprc"]))
        out.print(table)
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


def _figure(found: Figure | None) -> str:
    if found is None or found.oof != found.oof:
        return "-"
    return f"{found.oof:.3f}" if found.spread != found.spread else f"{found.oof:.3f} ± {found.spread:.3f}"
