"""Small real runs: zinc chains of the examples, a tiny E1 with random weights, two folds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from e1bind.engine.crossval import Finished, cross_validate
from e1bind.engine.events import Listener
from e1bind.engine.pipeline import Pipeline, build_pipeline
from e1bind.spec import RunSpec, load_spec

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
[metrics]
compute = ["auprc", "auroc", "hra"]
"""


@pytest.fixture(scope="session")
def spec_text(root: Path) -> str:
    """A small run; it validates anywhere, since its data paths are absolute."""
    return SPEC.format(data=root / "examples" / "data")


@pytest.fixture
def spec_file(tmp_path: Path, spec_text: str) -> Path:
    path = tmp_path / "spec.toml"
    path.write_text(spec_text)
    return path


@pytest.fixture
def make_spec(spec_file: Path) -> Callable[..., RunSpec]:
    """The small run's spec with overrides as `--set` takes them."""
    return lambda *overrides: load_spec(spec_file, overrides)


@pytest.fixture
def make_pipeline(make_spec: Callable[..., RunSpec]) -> Callable[..., Pipeline]:
    """The small run's components with overrides."""

    def make(*overrides: str) -> Pipeline:
        torch.set_num_threads(1)
        return build_pipeline(make_spec(*overrides))

    return make


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, spec_text: str) -> Finished:
    """The small run, trained once; it has no figures."""
    return train_once(tmp_path_factory.mktemp("run"), spec_text)


def train_once(folder: Path, text: str, run_id: str | None = None, fold: int | None = None) -> Finished:
    """Train a spec in `folder`, without figures."""
    path = folder / "spec.toml"
    path.write_text(text)
    done = cross_validate(load_spec(path), path, draw_nothing, Listener(), run_id, fold)
    return done  # type: ignore[return-value]


def draw_nothing(*_: object) -> None:
    """In place of the report, which has tests of its own."""
