"""Libraries say nothing that a user can do nothing about, and nothing once for each process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from plugin_packages import run_cli
from small_runs import SPEC
from tiny_checkpoints import write_esm
from transformers import EsmModel

from e1bind_cli.libraries import share_cores


@pytest.fixture
def small(tmp_path: Path, root: Path) -> Path:
    """A spec with a checkpoint that lacks the pooler, which transformers tells at length."""
    write_esm(tmp_path / "esm", model_class=lambda config: EsmModel(config, add_pooling_layer=False))
    text = SPEC.format(data=root / "examples" / "data").replace("epochs = 2", "epochs = 1")
    text = text.replace('[backbone.e1]\nrandom_weights = "tiny"', '[backbone.hf-mlm]\ncheckpoint = "./esm"')
    text = text.replace("[losses.mlm]\nweight = 0.1\n", "")
    (tmp_path / "spec.toml").write_text(text.replace("= 120", "= 48").replace("= 16", "= 8"))
    return tmp_path


@pytest.mark.parametrize(
    ("chosen", "rounds", "ticks"),
    [
        ({}, "1000", "10"),
        ({"GOMP_SPINCOUNT": "7"}, "7", "10"),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, None, "10"),
        ({"OPENBLAS_THREAD_TIMEOUT": "26"}, "1000", "26"),
    ],
)
def test_threads_that_wait_give_way_unless_the_user_chose(monkeypatch, chosen, rounds, ticks) -> None:
    monkeypatch.setattr(os, "environ", dict(chosen))  # and not what other tests go on with
    share_cores()
    assert os.environ.get("GOMP_SPINCOUNT") == rounds
    assert os.environ.get("OPENBLAS_THREAD_TIMEOUT") == ticks


KEEPS = """
import gc
from e1bind.plugins.uncollected import uncollected
from e1bind_cli.libraries import pass_over_imports

pass_over_imports()
with uncollected():
    made = [[] for _ in range({many})]
later = [[] for _ in range(1000)]  # a collection
print(gc.get_freeze_count() > {many})
"""


@pytest.mark.parametrize(("many", "kept"), [(60_000, "True"), (10_000, "False")])
def test_the_collector_passes_over_what_imports_made_and_nothing_else(many: int, kept: str) -> None:
    code = KEEPS.format(many=many)
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout.strip() == kept


def others(said: str) -> list[str]:
    """What is said beside the log's lines, which begin with a time."""
    return [line for line in said.splitlines() if not line[:2].isdigit()]


@pytest.mark.slow
def test_transformers_lists_no_parameters_that_are_not_used(small: Path) -> None:
    result = run_cli("train", "spec.toml", cwd=small, env={"COLUMNS": ""})
    assert result.returncode == 0, result.stderr
    assert others(result.stderr) == []
    result = run_cli("--verbose", "predict", str(next((small / "results").iterdir())), "in.fasta", cwd=small)
    assert "in.fasta: there is no such file" in result.stderr


@pytest.mark.slow
def test_two_processes_say_no_more_than_one(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)  # which torchrun tells at length
    words = ("train", "spec.toml", "--nproc", "2", "--set", "training.accum_steps=1")
    result = run_cli(*words, cwd=small, env={"COLUMNS": ""})
    assert result.returncode == 0, result.stderr
    assert others(result.stderr) == []
