"""`e1bind train`: the whole run. Under torchrun every process comes through here; one of them talks."""

from __future__ import annotations

import logging
import os
from typing import Any

import typer
from rich.logging import RichHandler
from rich.table import Table
from rich.text import Text

from e1bind.spec import load_spec
from e1bind_cli.arguments import Overrides, SpecFile
from e1bind_cli.console import err, out

EXIT_INTERRUPTED = 130


def train(spec: SpecFile, overrides: Overrides = None) -> None:
    """Train all folds of a spec and write the run directory."""
    run = load_spec(spec, overrides or [])
    from e1bind.workflow import train as train_run
    from e1bind_cli.progress import progress

    main = os.environ.get("RANK", "0") == "0"
    _log_to_terminal(main)
    try:
        with progress(main) as listener:
            finished = train_run(run, spec, listener)
    except KeyboardInterrupt:
        err.print("interrupted; what was written so far is not a finished run", markup=False)
        raise typer.Exit(EXIT_INTERRUPTED) from None
    if finished is not None:
        out.print(fold_table(finished.summary))
        if finished.summary["random_weights"]:
            out.print("The backbone had random weights: these figures show that the run works, nothing more.")
        out.print(f"run directory: {finished.run.path}", soft_wrap=True, markup=False)


def _log_to_terminal(main: bool) -> None:
    log = logging.getLogger("e1bind")
    log.handlers.clear()
    log.propagate = False
    log.setLevel(logging.INFO if main else logging.ERROR)
    if err.is_terminal:
        handler: logging.Handler = RichHandler(
            console=err, show_path=False, markup=False, log_time_format="%H:%M:%S"
        )
        handler.setFormatter(logging.Formatter("%(message)s"))
    else:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S"))
    log.addHandler(handler)


def fold_table(summary: Any) -> Table:
    """Each fold's figures at its best epoch, then all folds together, at the global threshold of the ion."""
    names = list(summary["folds"][0]["metrics"])
    table = Table(title="Held-out chains, at the global thresholds", title_justify="left")
    for column in ("fold", "ion", "epoch", "proteins", "binding", *names):
        table.add_column(column, justify="left" if column == "ion" else "right")
    for row in summary["folds"]:
        counts = (row["fold"], row["ion"], row["best_epoch"], row["proteins"], row["positives"])
        table.add_row(*(str(c) for c in counts), *_figures(row["metrics"], names))
    table.add_section()
    for ion, row in summary["oof"].items():
        data = summary["data"][ion]
        counts = ("oof", ion, "", str(data["proteins"]), str(data["positives"]))
        table.add_row(*counts, *_figures(row["metrics"], names), style="bold")
    return table


def _figures(metrics: dict[str, float], names: list[str]) -> list[Text]:
    return [Text("-" if (v := metrics[n]) is None or v != v else f"{v:.3f}") for n in names]
