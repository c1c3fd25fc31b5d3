"""The runs of the accuracy table: their specs, and how their folds are trained, one after another or side by side.

A fold is a process of its own (`e1bind train --fold`), so that a machine with many cores, or one GPU that a small
model leaves idle, trains `--jobs` of them at once. What is finished is used as it is; what was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from e1bind import workflow
from e1bind.inference.evaluate import EvaluateOptions, IonResult
from e1bind.runs.layout import RunDir
from e1bind.runs.schemas import Summary
from e1bind.spec.starter import RECIPE

LOSSES = ("nt-xent", "prototype-alignment", "prototype-bce", "mlm")
PIPELINE = "contrastive pipeline"
LINEAR = "LoRA, linear head, bce"
QUICK_CHAINS, QUICK_LENGTH = 300, 256


@dataclass(frozen=True)
class Method:
    """One way to train on one ion, and the run directory it has."""

    ion: str
    name: str
    spec: Path
    overrides: tuple[str, ...]
    run: RunDir
    folds: int
    clocks: Path

    def log(self, fold: int) -> Path:
        """What the process of a fold prints."""
        return self.clocks / f"{self.run.run_id}-{fold}.log"

    def minutes(self) -> float:
        """Wall time of all its folds' processes so far."""
        return sum(json.loads(path.read_text()) for path in self.clocks.glob(f"{self.run.run_id}-*.json"))


def methods(options: argparse.Namespace) -> list[Method]:
    """All runs of the table; the pipelines come first, so that others are compared with them."""
    chosen = _overrides(options)
    specs = {ion: _spec(ion, options) for ion in options.ions}
    return [
        _method(ion, name, specs[ion], overrides, options)
        for name, overrides in chosen.items()
        for ion in options.ions
    ]


def train(all_methods: Sequence[Method], jobs: int) -> None:
    """Train every fold that is not done, `jobs` at once. Raises `SystemExit` naming the logs of failed ones."""
    tasks = [(method, fold) for method in all_methods for fold in range(1, method.folds + 1)]
    with ThreadPoolExecutor(jobs) as pool:
        failed = [log for log in pool.map(lambda task: _train_fold(*task), tasks) if log is not None]
    if failed:
        raise SystemExit("these folds failed, see their logs: " + ", ".join(map(str, failed)))


def measured(method: Method, threads: int) -> tuple[IonResult, Summary]:
    """Put the folds together and ask the run's models for the test chains."""
    import torch

    torch.set_num_threads(threads)
    if not method.run.summary.exists():
        workflow.collect(method.run.path)
    evaluation, _ = workflow.evaluate(method.run.path, EvaluateOptions())
    return evaluation.ions[0], evaluation.run.summary


def _train_fold(method: Method, fold: int) -> Path | None:
    """The log of a fold that failed, None where it is done."""
    if method.run.fold(fold).done.exists():
        return None
    method.clocks.mkdir(parents=True, exist_ok=True)
    sets = [part for override in method.overrides for part in ("--set", override)]
    command = [sys.executable, "-m", "e1bind_cli", "train", str(method.spec), "--fold", str(fold)]
    started = time.perf_counter()
    with method.log(fold).open("a") as log:
        done = subprocess.run(
            [*command, "--run-id", method.run.run_id, *sets], stdout=log, stderr=subprocess.STDOUT
        )
    clock = method.clocks / f"{method.run.run_id}-{fold}.json"
    before = json.loads(clock.read_text()) if clock.exists() else 0.0
    clock.write_text(json.dumps(before + (time.perf_counter() - started) / 60))
    return None if done.returncode == 0 else method.log(fold)


def _overrides(options: argparse.Namespace) -> dict[str, list[str]]:
    """What of the recipe each method changes."""
    chosen: dict[str, list[str]] = {PIPELINE: [], LINEAR: ["head={linear={}}", "losses={bce={}}"]}
    chosen |= {f"without {name}": [f"losses.{name}.weight=0"] for name in _losses(options)}
    if options.only:
        chosen = {
            name: own for name, own in chosen.items() if name == PIPELINE or name.startswith(tuple(options.only))
        }
    return chosen


def _method(ion: str, name: str, spec: Path, overrides: list[str], options: argparse.Namespace) -> Method:
    beside = [] if name == PIPELINE else ["baselines.compute=[]"]  # they would be the same ones
    run_id = f"{ion}-{name}-seed{options.seed}".replace(" ", "-").replace(",", "")
    return Method(
        ion,
        name,
        spec,
        (*overrides, *beside, *options.overrides),
        RunDir(options.out / "runs" / run_id),
        2 if options.quick else options.folds,
        options.out / "folds",
    )


def _losses(options: argparse.Namespace) -> list[str]:
    """The pipeline's; a checkpoint without a masked-LM head has no mlm loss."""
    return [name for name in LOSSES if name != "mlm" or options.backbone == "e1"]


def _spec(ion: str, options: argparse.Namespace) -> Path:
    """The recipe for one ion, as a file."""
    data = _quick_data(ion, options) if options.quick else options.data
    table: dict[str, Any] = {
        "run": {"output_dir": str(options.out / "runs"), "seed": options.seed, "threads": options.threads},
        "data.fasta3": {"train": str(data / "{ion}_train.fasta"), "test": str(data / "{ion}_test.fasta")},
        "cv": {"folds": 2 if options.quick else options.folds, "groups": str(options.data / "clusters_id30.tsv")},
        f"backbone.{options.backbone}": {"checkpoint": options.checkpoint},
        "views.masked": {},
        **{f"losses.{name}": {} for name in _losses(options)},
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
