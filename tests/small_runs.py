"""A small real run for tests: zinc chains of the examples, a tiny E1 with random weights, two folds."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

from e1bind.engine.crossval import cross_validate, resume
from e1bind.engine.events import Listener
from e1bind.runs.frozen_spec import frozen_spec
from e1bind.runs.layout import opened
from e1bind.spec import load_spec
from e1bind_cli.app import run as e1bind

SPEC = """\
schema_version = 1
[run]
output_dir = "results"
threads = 1
[data.fasta3]
train = "{data}/{{ion}}_train.fasta"
[cv]
folds = 2
groups = "{data}/clusters.tsv"
[backbone.e1]
random_weights = "tiny"
[lora]
r = 4
alpha = 8
dropout = 0.1
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
epochs = 2
learning_rate = 1e-3
warmup_epochs = 1
batch_size = 2
accum_steps = 2
early_stop_patience = 0
max_residues = 120
window_overlap = 16
[baselines]
compute = []
[metrics]
compute = ["auprc", "auroc", "hra"]
"""


def train_once(folder: Path, text: str, run_id: str | None = None, fold: int | None = None) -> Any:
    """Train a spec in `folder`, without figures."""
    path = folder / "spec.toml"
    path.write_text(text)
    done = cross_validate(load_spec(path), path, draw_nothing, Listener(), run_id, fold)
    return done


def go_on(run: Path, fold: int | None = None, **how: Any) -> Any:
    """Go on with a run as `e1bind train --resume` does; `how`: force, spec."""
    spec = how.get("spec") or frozen_spec(opened(run))
    return resume(spec, run, draw_nothing, Listener(), how.get("force", False), fold)


def draw_nothing(*_: object) -> None:
    """In place of the report, which has tests of its own."""


def call(*arguments: object) -> int:
    """The exit code of a command line of e1bind."""
    return e1bind([str(a) for a in arguments])


RESULTS = ("oof_preds.npz", "metrics.jsonl", "summary.csv", "global_thresholds.yaml")


def results_of(run: Path) -> dict[str, bytes]:
    """Everything that must not depend on when, where and how often a run was begun."""
    names = [*RESULTS, *(f"fold_{k}/{n}" for k in (1, 2) for n in ("metrics.jsonl", "oof_preds.npz", "fold.json"))]
    names += [f"fold_{k}/best_e1_contrastive_model_lora/adapter_model.safetensors" for k in (1, 2)]
    return {name: (run / name).read_bytes() for name in names}


class StopsAfter(Listener):
    """Asks for a stop, as a signal does, once so many micro-batches of a stage were seen."""

    def __init__(self, stages: int, micros: int) -> None:
        self.left, self.micros, self.done = stages, micros, False

    def stage(self, title: str, total: int) -> None:
        self.left -= 1

    def advance(self, done: int, figures: object) -> None:
        if self.left == 0 and done >= self.micros and not self.done:
            self.done = True
            signal.raise_signal(signal.SIGTERM)
