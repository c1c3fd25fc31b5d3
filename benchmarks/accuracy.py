"""Accuracy: the contrastive pipeline beside what is had for nothing, a linear head, and itself without each loss.

    uv run python -m benchmarks.accuracy --checkpoint DIR_OR_NAME --data DIR --out DIR
        [--backbone hf-mlm|e1] [--ions ZN CA] [--quick] [--only NAME ...] [--folds 5] [--seed 1]
        [--set PATH=VALUE ...] [--threads N]

`--data` holds {ion}_train.fasta and {ion}_test.fasta (three-line FASTA) and clusters_id30.tsv. Every method is
a run of its own below `--out`, trained with the recipe that `e1bind init` writes and evaluated on the test
chains; one that is finished is used as it is, one that was stopped goes on. Baselines are those of the first
run. The table says test AUPRC, AUROC and MCC at the out-of-fold threshold, with 95 % intervals over proteins,
the out-of-fold AUPRC, and how far the pipeline is above each method on the same test residues (paired).
`--quick`: 300 chains of at most 256 residues for each ion, two folds, three epochs: shows that the script
works, not what the methods are worth.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from e1bind import workflow
from e1bind.inference.evaluate import EvaluateOptions, IonResult
from e1bind.metrics.paired import Paired, paired_average_precision
from e1bind.runs.schemas import Summary
from e1bind.spec import load_spec
from e1bind.spec.starter import RECIPE
from e1bind_cli.train import log_to_terminal

LOSSES = ("nt-xent", "prototype-alignment", "prototype-bce", "mlm")
PIPELINE = "contrastive pipeline"
LINEAR = "LoRA, linear head, bce"
METRICS = ("auprc", "auroc", "mcc")
PUBLISHED = {
    "LMetalSite": {"ZN": 0.803, "CA": 0.492, "MG": 0.316, "MN": 0.625},
    "GPSite": {"ZN": 0.859, "CA": 0.565, "MG": 0.370, "MN": 0.709},
    "GPSite without structure": {"ZN": 0.793, "CA": 0.468, "MG": 0.288, "MN": 0.607},
}
"""Test AUPRC as their papers give it for the same files."""
QUICK_CHAINS, QUICK_LENGTH = 300, 256


@dataclass(frozen=True)
class Row:
    """One method on one ion: figures as (value, low, high); `ahead`: the pipeline minus it, test AUPRC."""

    ion: str
    method: str
    oof_auprc: float
    test: Mapping[str, tuple[float, float, float]]
    ahead: tuple[float, float, float] | None
    minutes: float | None


def main() -> None:
    options = _arguments()
    log_to_terminal(main=True)
    rows: list[Row] = []
    for ion in options.ions:
        rows += _ion(ion, options)
        _write(rows, options)
    print(_markdown(rows, options))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--checkpoint", required=True, help="folder, or name on a hub")
    parser.add_argument("--backbone", default="hf-mlm", choices=["hf-mlm", "e1"])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--ions", nargs="+", default=["ZN"])
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--only", nargs="+", help="methods, by the beginning of their names")
    parser.add_argument("--set", nargs="+", default=[], dest="overrides", metavar="PATH=VALUE")
    parser.add_argument("--quick", action="store_true")
    return parser.parse_args()


def _methods(options: argparse.Namespace) -> dict[str, list[str]]:
    """Overrides of the recipe that make each method."""
    used = [name for name in LOSSES if name != "mlm" or options.backbone == "e1"]
    methods = {PIPELINE: [], LINEAR: ["head={linear={}}", "losses={bce={}}"]}
    methods |= {f"without {name}": [f"losses.{name}.weight=0"] for name in used}
    if options.only:
        methods = {n: o for n, o in methods.items() if n == PIPELINE or n.startswith(tuple(options.only))}
    return methods


def _ion(ion: str, options: argparse.Namespace) -> Iterator[Row]:
    """A row for each method; the pipeline's run comes first, so that others are compared with it."""
    data = _quick_data(ion, options) if options.quick else options.data
    first: IonResult | None = None
    for method, overrides in _methods(options).items():
        folder, minutes = _trained(ion, method, overrides, data, options)
        evaluation, _ = workflow.evaluate(folder, EvaluateOptions())
        result = evaluation.ions[0]
        summary = evaluation.run.summary
        if first is None:
            first = result
            yield from _baselines(result, summary)
        yield _row(ion, method, result, summary, first, minutes)


def _trained(
    ion: str, method: str, overrides: Sequence[str], data: Path, options: argparse.Namespace
) -> tuple[Path, float]:
    """The finished run of a method, and the minutes its training took in all."""
    name = f"{ion}-{method}-seed{options.seed}".replace(" ", "-").replace(",", "")
    folder = options.out / "runs" / name
    started = time.perf_counter()
    if folder.exists():
        workflow.resume(folder)
    else:
        spec = _spec(ion, data, options)
        beside = [] if method == PIPELINE else ["baselines.compute=[]"]  # they would be the same ones
        workflow.train(load_spec(spec, [*overrides, *beside, *options.overrides]), spec, run_id=name)
    clock = options.out / "minutes" / f"{name}.json"
    clock.parent.mkdir(parents=True, exist_ok=True)
    before = json.loads(clock.read_text()) if clock.exists() else 0.0
    took = before + (time.perf_counter() - started) / 60
    clock.write_text(json.dumps(took))
    return folder, took


def _spec(ion: str, data: Path, options: argparse.Namespace) -> Path:
    """The recipe for one ion, as a file."""
    losses = [name for name in LOSSES if name != "mlm" or options.backbone == "e1"]
    table: dict[str, Any] = {
        "run": {"output_dir": str(options.out / "runs"), "seed": options.seed, "threads": options.threads},
        "data.fasta3": {"train": str(data / "{ion}_train.fasta"), "test": str(data / "{ion}_test.fasta")},
        "cv": {"folds": 2 if options.quick else options.folds, "groups": str(options.data / "clusters_id30.tsv")},
        f"backbone.{options.backbone}": {"checkpoint": options.checkpoint},
        "views.masked": {},
        **{f"losses.{name}": {} for name in losses},
        "training": {"ions": [ion]},
    }
    for path, values in RECIPE.items():
        if path in table or path.partition(".")[0] not in ("losses", "backbone", "data"):
            table[path] = {**values, **table.get(path, {})}
    if options.quick:
        table["training"] |= {"epochs": 3, "warmup_epochs": 0.5, "early_stop_patience": 0}
    lines = ["schema_version = 1"]
    for path, values in table.items():
        lines += [f"[{path}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
    file = options.out / f"{ion}.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(lines) + "\n")
    return file


def _quick_data(ion: str, options: argparse.Namespace) -> Path:
    """Short chains, drawn by a seed, in files of their own."""
    folder = options.out / "quick"
    folder.mkdir(parents=True, exist_ok=True)
    for split in ("train", "test"):
        lines = (options.data / f"{ion}_{split}.fasta").read_text().splitlines()
        records = [lines[i : i + 3] for i in range(0, len(lines), 3)]
        short = [record for record in records if len(record[1]) <= QUICK_LENGTH]
        order = np.random.default_rng(options.seed).permutation(len(short))[:QUICK_CHAINS]
        text = "".join("\n".join(short[i]) + "\n" for i in sorted(order.tolist()))
        (folder / f"{ion}_{split}.fasta").write_text(text)
    return folder


def _row(ion: str, method: str, result: IonResult, summary: Summary, first: IonResult, minutes: float) -> Row:
    test = {name: (found.value, found.low, found.high) for name in METRICS if (found := result.metrics[name])}
    ahead = None if method == PIPELINE else _ahead(first, result)
    return Row(ion, method, summary.oof[ion].metrics["auprc"], test, ahead, minutes)


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
    sys.exit(main())
