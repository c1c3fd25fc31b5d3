"""Two processes (gloo) and one take the same steps."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from forks import fork, ranks, wait
from safetensors.numpy import load_file
from small_runs import train_once

from e1bind.runs.oof_table import read_oof


@pytest.fixture(scope="module")
def runs(tmp_path_factory, spec_text) -> tuple[Path, Path]:
    """The same global batch of two micro-batches: 24 steps a fold by one process, and by two."""
    text = spec_text.replace("epochs = 2", "epochs = 6").replace("batch_size = 2", "batch_size = 1")
    text = text.replace("learning_rate = 1e-3", "learning_rate = 3e-4")
    folder = tmp_path_factory.mktemp("ranks")
    assert wait(fork(lambda: train_once(folder, text, "one"), folder / "log")) == 0, (folder / "log").read_text()
    (folder / "two").mkdir()
    split = text.replace("accum_steps = 2", "accum_steps = 1")
    for pid in ranks(lambda: train_once(folder / "two", split, "two"), folder / "log"):
        assert wait(pid) == 0, (folder / "log").read_text()
    return folder / "results" / "one", folder / "two" / "results" / "two"


@pytest.mark.slow
@pytest.mark.sample
def test_losses_agree_in_every_epoch(runs):
    one, two = ([json.loads(x) for x in (run / "metrics.jsonl").read_text().splitlines()] for run in runs)
    assert len(one) == len(two) == 2 * 6 * 2
    for a, b in zip(one, two, strict=True):
        assert (a["fold"], a["epoch"], a["split"]) == (b["fold"], b["epoch"], b["split"])
        for name in (n for n in a if n.startswith("loss")):
            assert b[name] == pytest.approx(a[name], rel=1e-5), (a["epoch"], name)


@pytest.mark.slow
@pytest.mark.sample
def test_validation_metrics_agree(runs):
    one, two = ([json.loads(x) for x in (run / "metrics.jsonl").read_text().splitlines()] for run in runs)
    for a, b in zip(one, two, strict=True):
        for name in {"auprc", "auroc", "hra"} & set(a):
            assert b[name] == pytest.approx(a[name], abs=1e-6)


@pytest.mark.slow
@pytest.mark.sample
def test_final_adapters_agree(runs):
    for fold in (1, 2):
        parts = (
            run / f"fold_{fold}" / "best_e1_contrastive_model_lora" / "adapter_model.safetensors" for run in runs
        )
        one, two = (load_file(part) for part in parts)
        assert set(one) == set(two)
        gap = np.sqrt(sum(((one[n] - two[n]) ** 2).sum() for n in one))
        size = np.sqrt(sum((one[n] ** 2).sum() for n in one))
        assert gap / size < 1e-5


@pytest.mark.slow
@pytest.mark.sample
def test_every_residue_is_scored_once_by_one_process_or_two(runs):
    one, two = (read_oof(run / "oof_preds.npz") for run in runs)
    for name in ("protein", "residue_index", "fold", "label"):
        assert np.array_equal(one[name], two[name])
    assert np.abs(one["probability"] - two["probability"]).max() < 1e-5


@pytest.mark.slow
def test_a_loss_that_gathers_meets_on_all_ranks(tmp_path: Path, spec_text: str) -> None:
    """From the first forward pass on, which the memory plan makes: none may wait for ranks that do not come."""
    text = spec_text.replace("[losses.nt-xent]", "[losses.nt-xent]\ngather_negatives = true").replace(
        "epochs = 2", "epochs = 1"
    )
    assert "gather_negatives" in text
    for pid in ranks(lambda: train_once(tmp_path, text, "two", fold=1), tmp_path / "log"):
        assert wait(pid) == 0, (tmp_path / "log").read_text()
    assert (tmp_path / "results" / "two" / "fold_1" / "fold.json").exists()
