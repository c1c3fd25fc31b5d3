"""Checks that take processes of their own: nccl, and a run that is killed and gone on with.

They run in threads beside the other checks: most of their time goes into starting Python.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
import tomllib
from collections.abc import Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from benchmarks._gpu_bench import Bench
from benchmarks._gpu_report import Failed, Figures

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "examples" / "data"
EPOCHS = 3
LOSS, METRIC = 0.02, 0.1
"""How far two runs may lie apart: losses by a share of 1 + loss, metrics of few residues, which jump, as they are.

On a GPU sums of floats have no order of their own, so that bytes differ.
"""
SPEC = f"""\
schema_version = 1
[run]
output_dir = "results"
threads = 1
[data.fasta3]
train = "{DATA}/{{{{ion}}}}_train.fasta"
[cv]
folds = 2
groups = "{DATA}/clusters.tsv"
[backbone.e1]
random_weights = "tiny"
[lora]
r = 4
alpha = 8
dropout = {{dropout}}
[views.masked]
num_variants = 2
[losses.nt-xent]
weight = 0.2
[losses.prototype-alignment]
[losses.prototype-bce]
[losses.mlm]
weight = 0.1
[training]
ions = ["ZN"]
epochs = {EPOCHS}
learning_rate = 1e-3
warmup_epochs = 1
accum_steps = 1
early_stop_patience = 0
save_every_steps = 1
max_residues = 120
window_overlap = 16
[baselines]
compute = ["frozen-probe"]
[metrics]
compute = ["auprc", "auroc", "hra"]
"""


class Processes:
    """Processes of one check, in a folder of their own; `end` leaves none behind."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: list[subprocess.Popen[bytes]] = []
        self.ended = False
        folder.mkdir()

    def start(self, name: str, *command: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start Python with what it says going to `name`.log. Raises `Failed` after `end`."""
        if self.ended:
            raise Failed("the report ended before", {})
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, *command],
                cwd=self.folder,
                env={**os.environ, **environment},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.running.append(process)
        return process

    def said(self, name: str) -> str:
        """All that a process has said."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def finish(self, name: str, process: subprocess.Popen[bytes]) -> str:
        """Wait for a process; what it said. Raises `Failed` unless it exits with 0."""
        if process.wait():
            raise Failed(f"{name} ended with {process.returncode}: {self.said(name)[-1500:]}", {})
        return self.said(name)

    def end(self) -> None:
        """Kill what still runs, and start nothing more."""
        self.ended = True
        for process in self.running:
            if process.poll() is None:
                process.kill()
                process.wait()


def bare_environment(folder: Path) -> dict[str, str]:
    """Finds packages and plugins of the workspace where it is not installed: by its sources, and their metadata.

    The root is there for `benchmarks` itself: processes of a check have a folder of their own.
    """
    path = [str(ROOT), *(str(source) for source in sorted(ROOT.glob("packages/*/src")))]
    if not entry_points(group="e1bind"):
        for file in ROOT.glob("packages/*/pyproject.toml"):
            _write_metadata(folder, tomllib.loads(file.read_text())["project"])
        path.append(str(folder))
    before = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": os.pathsep.join([*path, *([before] if before else [])])}


def _write_metadata(folder: Path, project: dict[str, Any]) -> None:
    name, version = project["name"], project["version"]
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = [f"{key} = {value}" for key, value in project.get("entry-points", {}).get("e1bind", {}).items()]
    (info / "entry_points.txt").write_text("\n".join(["[e1bind]", *lines]) + "\n" if lines else "")


class ProcessGroup:
    """One process joins a group of its own, as under torchrun: collectives, and DDP around a model with LoRA."""

    def __init__(self, folder: Path, environment: dict[str, str], backend: str) -> None:
        self.processes = Processes(folder)
        self.process = self.processes.start("group", "-m", "benchmarks._gpu_group", backend, **environment)

    def check(self) -> Figures:
        """What it found. Raises `Failed`."""
        said = self.processes.finish("group", self.process).splitlines()
        return json.loads(next(line for line in said if line.startswith("{")))


class KilledRun:
    """A run on the device, the same killed and gone on with, and the same on a CPU."""

    def __init__(self, bench: Bench, folder: Path, environment: dict[str, str]) -> None:
        self.bench, self.environment = bench, environment
        self.processes = Processes(folder)
        (folder / "dropout.toml").write_text(SPEC.format(dropout=0.1))
        # Without dropout, of which the two devices draw different numbers.
        (folder / "plain.toml").write_text(SPEC.format(dropout=0.0))
        self.killed = self._train("killed", "dropout.toml", bench.device.type)
        runs = {"straight": ("dropout.toml", bench.device.type)}
        if bench.on_gpu:
            runs |= {"gpu": ("plain.toml", "cuda"), "cpu": ("plain.toml", "cpu")}
        self.others = {name: self._train(name, *how) for name, how in runs.items()}

    def _train(self, name: str, spec: str, device: str) -> subprocess.Popen[bytes]:
        command = (
            "-m",
            "e1bind_cli",
            "train",
            spec,
            "--run-id",
            name,
            "--fold",
            "1",
            "--set",
            f"run.device={device}",
        )
        return self.processes.start(name, *command, **self.environment)

    def _fold(self, name: str) -> Path:
        return self.processes.folder / "results" / name / "fold_1"

    def _kill_in_second_epoch(self) -> str:
        """Kill the run once a state of its second epoch, or a later one, is on disk; the name of the last state."""
        states = self._fold("killed") / "last"
        while True:
            late = sorted(f.name for f in states.glob("epoch-*.pt") if f.name > "epoch-00002-step-0000001")
            if late:
                self.killed.kill()
                self.killed.wait()
                return late[-1][: len("epoch-00002-step-0000001")]
            if self.killed.poll() is not None:
                raise Failed(f"the run to be killed ended before: {self.processes.said('killed')[-1500:]}", {})
            time.sleep(0.005)

    def check(self) -> Figures:
        """Kill, go on, and compare. Raises `Failed`."""
        figures: Figures = {"killed_at": self._kill_in_second_epoch()}
        if (self._fold("killed") / "fold.json").exists():
            raise Failed("the run had finished before it could be killed", figures)
        again = ("-m", "e1bind_cli", "train", "--resume", "results/killed", "--fold", "1")
        resumed = self.processes.start("resumed", *again, **self.environment)
        for name, process in {**self.others, "resumed": resumed}.items():
            self.processes.finish(name, process)
        if "goes on at epoch" not in (self._fold("killed") / "training.log").read_text():
            raise Failed("the run did not go on from its state", figures)
        pairs = [("killed", "straight"), *([("gpu", "cpu")] if self.bench.on_gpu else [])]
        for one, other in pairs:
            figures[f"{one} - {other}"] = _compared(self._rows(one), self._rows(other))
        return figures

    def _rows(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self._fold(name) / "metrics.jsonl").read_text().splitlines()]


def _compared(one: Sequence[dict[str, Any]], other: Sequence[dict[str, Any]]) -> float:
    """The largest difference of figures of the same epoch. Raises `Failed` where one is too large."""
    if len(one) != len(other) or not one:
        raise Failed(f"{len(one)} rows of figures, and {len(other)}", {})
    worst = 0.0
    for row, expected in zip(one, other, strict=True):
        for name, value in expected.items():
            if not isinstance(value, float) or (math.isnan(value) and math.isnan(row[name])):
                continue
            difference = abs(row[name] - value)
            if not difference <= (LOSS * (1 + abs(value)) if name.startswith("loss") else METRIC):
                raise Failed(f"epoch {row['epoch']}, {row['split']} {name}: {row[name]} and {value}", {})
            worst = max(worst, difference)
    return float(f"{worst:.3g}")


class Beside:
    """The checks of this file, running while others do; leaving the context ends what has not."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        self.bench, self.folder = bench, folder
        self.pool = ThreadPoolExecutor(2)
        self.checks: dict[str, ProcessGroup | KilledRun] = {}
        self.found: dict[str, Future[Figures]] = {}

    def __enter__(self) -> Beside:
        return self

    def __exit__(self, *_: object) -> None:
        for check in self.checks.values():
            check.processes.end()
        self.pool.shutdown()

    def begin(self, names: Collection[str]) -> None:
        """Start those of the checks that are named, and can run here."""
        environment = bare_environment(self.folder / "metadata")
        if "resume" in names:
            self.checks["resume"] = KilledRun(self.bench, self.folder / "resume", environment)
        if "nccl" in names and self.bench.on_gpu:
            self.checks["nccl"] = ProcessGroup(self.folder / "nccl", environment, "nccl")
        self.found = {name: self.pool.submit(check.check) for name, check in self.checks.items()}

    def result(self, name: str) -> Figures:
        """What a check has found, once it has."""
        if name == "nccl":
            self.bench.needs_gpu()
        return self.found[name].result()
