"""What a run came to, as tables a terminal of 80 columns has room for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from e1bind_cli.console import out, state

if TYPE_CHECKING:
    from e1bind.runs.schemas import BaselineFigures, Range, Summary

RUN = "run"
_HEAD = ("fold", "ion", "epoch", "chains", "sites")


def print_results(summary: Summary, run: Path) -> None:
    """The per-fold table, what to think of it, and where the files are. Warnings are in the log."""
    if state.quiet:
        out.print(f"run directory: {_short(run)}", soft_wrap=True)
        return
    names = summary.metric_names
    out.print("Held-out chains; precision, recall and the like at each ion's global threshold")
    for part in _parts(names):
        out.print(fold_table(summary, part))
    judged = {ion: (of.auprc, of.baselines) for ion, of in summary.oof.items() if of.auprc is not None}
    if judged:
        out.print("Beside what is had for nothing: AUPRC on the same residues, 95 % over proteins")
        out.print(baselines_table(judged))
    if summary.random_weights:
        out.print("The backbone had random weights: these figures show that the run works, nothing more.")
    out.print(f"run directory: {_short(run)}", soft_wrap=True)


def fold_table(summary: Summary, names: Sequence[str]) -> Table:
    """Each fold's figures at its best epoch, then all folds together."""
    table = Table(box=box.SIMPLE, show_edge=False, padding=0)
    for column in (*_HEAD, *names):
        table.add_column(column, justify="left" if column == "ion" else "right", no_wrap=True)
    for row in summary.folds:
        counts = (row.fold, row.ion, row.best_epoch, row.proteins, row.positives)
        table.add_row(*(str(c) for c in counts), *_figures(row.metrics, names))
    table.add_section()
    for ion, of in summary.oof.items():
        data = summary.data[ion]
        whole = ("all", ion, "", str(data.proteins), str(data.positives))
        table.add_row(*whole, *_figures(of.metrics, names), style="bold")
    return table


def baselines_table(judged: Mapping[str, tuple[Range, Mapping[str, BaselineFigures]]]) -> Table:
    """Each ion's run and baselines, and how far the run is above each of them."""
    table = Table(box=box.SIMPLE, show_edge=False, padding=(0, 1))
    for column in ("ion", "method", "auprc", "95 %", "run above it", "95 %"):
        table.add_column(column, justify="left" if column in ("ion", "method") else "right")
    for ion, (run, baselines) in judged.items():
        table.add_row(Text(ion), RUN, three(run.value), between(run.low, run.high), "", "", style="bold")
        for name, found in baselines.items():
            above = found.difference
            own = (three(found.auprc.value), between(found.auprc.low, found.auprc.high))
            cells = (*own, three(above.value, "+"), between(above.low, above.high, "+"))
            table.add_row(Text(ion), Text(name), *cells)
    return table


def three(value: float | None, sign: str = "") -> str:
    """A figure to three decimals; `sign` is "+" for a difference. A dash where there is none."""
    return "-" if value is None or math.isnan(value) else f"{value:{sign}.3f}"


def between(low: float, high: float, sign: str = "") -> str:
    """An interval; a dash where there is none."""
    return "-" if math.isnan(low) else f"{three(low, sign)} to {three(high, sign)}"


def _figures(metrics: Mapping[str, float], names: Sequence[str]) -> list[str]:
    return [three(metrics[name]) for name in names]


def _parts(names: Sequence[str]) -> list[list[str]]:
    """The names in as few tables as the terminal has room for, at least one name in each."""
    head = sum(max(len(name), 4) + 1 for name in _HEAD)
    parts: list[list[str]] = []
    room = 0
    for name in names:
        width = max(len(name), len("0.000")) + 1
        if not parts or width > room:
            parts.append([])
            room = out.width - head
        parts[-1].append(name)
        room -= width
    return parts


def _short(path: Path) -> Path:
    """Relative to the working folder where the path lies in it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
