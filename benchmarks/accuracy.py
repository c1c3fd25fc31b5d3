"""Accuracy: the contrastive pipeline beside what is had for nothing, a linear head, and itself without each loss.

    python -m benchmarks accuracy --checkpoint DIR_OR_NAME --data DIR --out DIR
        [--backbone hf-mlm|e1] [--ions ZN CA] [--quick] [--only NAME ...] [--folds 5] [--seed 1]
        [--set PATH=VALUE ...] [--jobs N] [--threads N]

`--data` holds {ion}_train.fasta and {ion}_test.fasta (three-line FASTA) and clusters_id30.tsv. Every method is
a run of its own below `--out`, trained with the recipe that `e1bind init` writes and evaluated on the test
chains; `--jobs` folds are trained at once. What is finished is used as it is, what was stopped goes on.
Baselines are those of the pipeline's run. The table says test AUPRC, AUROC and MCC at the out-of-fold threshold,
with 95 % intervals over proteins, the out-of-fold AUPRC, how far the pipeline is above each method on the same
test residues (paired), and the minutes its folds took in all.
`--quick`: 300 chains of at most 256 residues for each ion, two folds, three epochs: shows that the script
works, not what the methods are worth.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks._accuracy_runs import PIPELINE, Method, measured, methods, train
from e1bind.inference.evaluate import IonResult
from e1bind.metrics.paired import Paired, paired_average_precision
from e1bind.runs.schemas import Summary
from e1bind_cli.console import log_to_terminal

ALONE = "needs data and a checkpoint, also with --quick"
METRICS = ("auprc", "auroc", "mcc")
PUBLISHED = {
    "LMetalSite": {"ZN": 0.803, "CA": 0.492, "MG": 0.316, "MN": 0.625},
    "GPSite": {"ZN": 0.859, "CA": 0.565, "MG": 0.370, "MN": 0.709},
    "GPSite without structure": {"ZN": 0.793, "CA": 0.468, "MG": 0.288, "MN": 0.607},
}
"""Test AUPRC as their papers give it for the same files."""


@dataclass(frozen=True)
class Row:
    """One method on one ion: figures as (value, low, high); `ahead`: the pipeline minus it, test AUPRC."""

    ion: str
    method: str
    oof_auprc: float
    test: Mapping[str, tuple[float, float, float]]
    ahead: tuple[float, float, float] | None
    minutes: float | None


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what is not there yet, and print the table."""
    options = _arguments(arguments)
    log_to_terminal()
    runs = methods(options)
    train(runs, options.jobs)
    with ProcessPoolExecutor(options.jobs, multiprocessing.get_context("spawn")) as pool:
        found = dict(zip(runs, pool.map(partial(measured, threads=options.threads), runs), strict=True))
    rows = [row for ion in options.ions for row in _rows({m: f for m, f in found.items() if m.ion == ion})]
    _write(rows, options)
    print(_markdown(rows, options))


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    summary = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks accuracy", description=summary)
    parser.add_argument("--checkpoint", required=True, help="folder, or name on a hub")
    parser.add_argument("--backbone", default="hf-mlm", choices=["hf-mlm", "e1"])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--ions", nargs="+", default=["ZN"])
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="folds trained at once, each a process")
    parser.add_argument("--threads", type=int, help="of each process; absent: the cores divided among the jobs")
    parser.add_argument("--only", nargs="+", help="methods, by the beginning of their names")
    parser.add_argument("--set", nargs="+", default=[], dest="overrides", metavar="PATH=VALUE")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args(arguments)
    options.threads = options.threads or max(1, (os.cpu_count() or 1) // options.jobs)
    options.out = options.out.absolute()
    options.data = options.data.absolute()
    return options


def _rows(found: Mapping[Method, tuple[IonResult, Summary]]) -> Iterator[Row]:
    """The rows of one ion: its baselines, then a row for each method, the pipeline's first."""
    first, summary = next(iter(found.values()))
    yield from _baselines(first, summary)
    for method, (result, own) in found.items():
        yield _row(method, result, own, first)


def _row(method: Method, result: IonResult, summary: Summary, first: IonResult) -> Row:
    test = {name: (found.value, found.low, found.high) for name in METRICS if (found := result.metrics[name])}
    ahead = None if method.name == PIPELINE else _ahead(first, result)
    return Row(method.ion, method.name, summary.oof[method.ion].metrics["auprc"], test, ahead, method.minutes())


def _ahead(first: IonResult, other: IonResult) -> tuple[float, float, float]:
    """How far the pipeline is above another run on the same test residues."""
    ours, theirs = first.inputs(), other.inputs()
    paired: dict[str, Paired] = paired_average_precision(
        {PIPELINE: ours.probabilities, "other": theirs.probabilities}, ours.labels, ours.protein
    )
    apart = paired["other"].difference
    return apart.value, apart.low, apart.high


def _baselines(result: IonResult, summary: Summary) -> Iterator[Row]:
    for name, found in (result.judged.baselines if result.judged else {}).items():
        nan = float("nan")
        test = {metric: (found.metrics[metric], nan, nan) for metric in METRICS}
        test["auprc"] = (found.auprc.value, found.auprc.low, found.auprc.high)
        apart = (found.difference.value, found.difference.low, found.difference.high)
        oof = summary.oof[result.ion].baselines[name].auprc.value
        yield Row(result.ion, name, oof, test, apart, None)


def _markdown(rows: Sequence[Row], options: argparse.Namespace) -> str:
    lines = [
        "| ion | method | out-of-fold AUPRC | test AUPRC | AUROC | MCC | pipeline ahead by | minutes |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        figures = " | ".join(_figure(row.test[name]) for name in METRICS)
        ahead = "" if row.ahead is None else f"{row.ahead[0]:+.3f} ({row.ahead[1]:+.3f} to {row.ahead[2]:+.3f})"
        minutes = "" if row.minutes is None else f"{row.minutes:.0f}"
        lines.append(f"| {row.ion} | {row.method} | {row.oof_auprc:.3f} | {figures} | {ahead} | {minutes} |")
    for name, values in PUBLISHED.items():
        known = [ion for ion in options.ions if ion in values]
        lines += [f"| {ion} | {name} (published) | | {values[ion]:.3f} | | | | |" for ion in known]
    return "\n".join(lines)


def _figure(found: tuple[float, float, float]) -> str:
    value, low, high = found
    return f"{value:.3f}" if np.isnan(low) else f"{value:.3f} ({low:.3f} to {high:.3f})"


def _write(rows: Sequence[Row], options: argparse.Namespace) -> None:
    """Table and figures so far."""
    (options.out / "table.md").write_text(_markdown(rows, options) + "\n")
    (options.out / "table.json").write_text(json.dumps([vars(row) for row in rows], indent=2) + "\n")


if __name__ == "__main__":
    main()
