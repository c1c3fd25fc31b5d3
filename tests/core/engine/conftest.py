"""Small real runs: zinc chains of the examples, a tiny E1 with random weights, two folds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from small_runs import SPEC, train_once

from e1bind.engine.conclusion import Finished
from e1bind.engine.pipeline import Pipeline, build_pipeline
from e1bind.spec import RunSpec, load_spec


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
