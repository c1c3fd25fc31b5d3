"""What a step keeps, told before training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from e1bind.curation.reading import read_chains
from e1bind.engine.epoch import plan_epoch
from e1bind.engine.loader import TrainingBatches
from e1bind.engine.memory_plan import MemoryPlan, _Kept, free_bytes, memory_plan
from e1bind.engine.pipeline import Pipeline, build_model
from e1bind.scoring import Prototype

CPU = torch.device("cpu")
PLAN = MemoryPlan("e1", "auto", views=4, chains=2, tokens=1796, all_views=8e9, free=20_000_000_000)


def parts_of(pipeline: Pipeline):
    """Records, model and prototypes of a fold."""
    records = read_chains(pipeline.spec, "train")
    vector_P = torch.nn.functional.normalize(torch.ones(pipeline.width), dim=0)
    prototype = Prototype(vector_P, torch.zeros_like(vector_P), 1, 1, 1, 0.0, 0.0)
    return records, build_model(pipeline, 1), {"ZN": prototype}


@pytest.mark.parametrize("execution", ["auto", "batched", "separate"])
def test_the_estimate_is_what_the_largest_micro_batch_keeps(
    make_pipeline: Callable[..., Pipeline], execution
) -> None:
    pipeline = make_pipeline(f"backbone.e1.view_execution={execution}", "training.batch_size=2")
    records, model, prototypes = parts_of(pipeline)
    state, before = torch.get_rng_state(), {n: p.clone() for n, p in model.named_parameters()}
    plan = memory_plan(pipeline, model, prototypes, records, 1, CPU)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(p, before[n]) and p.grad is None for n, p in model.named_parameters())
    whole = make_pipeline("training.batch_size=2")
    largest = max(plan_epoch(whole, records, 1, 1), key=lambda micro: sum(map(len, micro.records)))
    batch = TrainingBatches(whole, [largest], 1)[0]
    whole_model = parts_of(whole)[1].train()
    with (kept := _Kept(whole_model)):
        whole_model(batch, prototypes["ZN"])
    assert plan.all_views == pytest.approx(kept.bytes, rel=0.25)
    assert (plan.tokens, plan.chains, plan.execution) == (batch.tokens.tokens, 2, execution)
    assert plan.free is not None
    assert plan.free > 1e8


def test_a_way_that_fits_is_told_without_advice() -> None:
    assert str(PLAN) == (
        "memory: the largest micro-batch (2 chains, 1,796 tokens) keeps about 8.0 GB with all 4 views at once, "
        "20.0 GB are free"
    )
    assert PLAN.advice() is None
    assert replace(PLAN, free=None).advice() is None


def test_a_way_that_will_not_fit_is_told_with_one_that_will() -> None:
    tight = replace(PLAN, free=9_000_000_000)
    assert tight.advice() == 'that may not fit: backbone.e1.view_execution = "separate" keeps about 2.0 GB'
    for worse in (replace(tight, free=2_000_000_000), replace(tight, execution=None), replace(tight, views=1)):
        assert "activation checkpointing" in (worse.advice() or "")


def test_one_view_at_a_time_is_told_where_all_at_once_would_fit() -> None:
    slow = replace(PLAN, execution="separate")
    assert "keeps about 2.0 GB with one view at a time" in str(slow)
    assert slow.advice() == 'backbone.e1.view_execution = "auto" keeps about 8.0 GB, which fits, and is faster'
    assert replace(slow, free=9_000_000_000).advice() is None


def test_the_limit_of_a_job_bounds_what_is_free(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("e1bind.engine.memory_plan.CGROUP", tmp_path)
    whole = free_bytes(CPU)
    (tmp_path / "memory.max").write_text("max\n")
    assert free_bytes(CPU) == pytest.approx(whole, rel=0.2)
    (tmp_path / "memory.max").write_text(f"{10**9}\n")
    assert free_bytes(CPU) < 10**9
