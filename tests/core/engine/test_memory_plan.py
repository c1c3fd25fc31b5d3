"""What a step keeps, told before training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from e1bind.contracts import ResidueRecord
from e1bind.curation.reading import read_chains
from e1bind.data.collate import ProteinBatch
from e1bind.engine.epoch import plan_epoch
from e1bind.engine.loader import TrainingBatches
from e1bind.engine.memory_plan import Cost, MemoryPlan, _Kept, free_bytes, memory_plan
from e1bind.engine.pipeline import Pipeline, build_model, build_pipeline
from e1bind.engine.ways import Way
from e1bind.scoring import Prototype
from e1bind.spec import RunSpec
from e1bind_backbones.e1.backbone import E1Backbone

CPU = torch.device("cpu")
ONE, ALONE = {"view_execution": "separate"}, {"activation_checkpointing": True}
COSTS = (
    Cost({}, False, False, 8e9),
    Cost(ONE, True, False, 2e9),
    Cost(ALONE, False, True, 1e9),
    Cost({**ONE, **ALONE}, True, True, 3e8),
)
PLAN = MemoryPlan("e1", views=4, chains=2, tokens=1796, costs=COSTS, pinned={}, fastest=8e9, free=20_000_000_000)
SIZE = "memory: the largest micro-batch (2 chains, 1,796 tokens)"


def parts_of(pipeline: Pipeline):
    """Records, model and prototypes of a fold."""
    records = read_chains(pipeline.spec, "train")
    vector_P = torch.nn.functional.normalize(torch.ones(pipeline.width), dim=0)
    prototype = Prototype(vector_P, torch.zeros_like(vector_P), 1, 1, 1, 0.0, 0.0)
    return records, build_model(pipeline, 1), {"ZN": prototype}


def kept_by_largest(pipeline: Pipeline) -> tuple[int, ProteinBatch]:
    """Bytes that the largest micro-batch keeps outside of what is computed again."""
    records, model, prototypes = parts_of(pipeline)
    largest = max(plan_epoch(pipeline, records, 1, 1), key=lambda micro: sum(map(len, micro.records)))
    batch = TrainingBatches(pipeline, [largest], 1)[0]
    model.train()
    with (kept := _Kept(model)):
        model(batch, prototypes["ZN"])
    return kept.bytes, batch


@pytest.mark.parametrize(
    ("said", "ways"),
    [
        ("view_execution=auto", [{}, ONE, ALONE, {**ONE, **ALONE}]),
        ("view_execution=batched", [{}, ALONE]),
        ("view_execution=separate", [{}, ALONE]),
        ("activation_checkpointing=true", [{}, ONE]),
        ("activation_checkpointing=false", [{}, ONE]),
    ],
)
def test_the_estimate_is_what_the_largest_micro_batch_keeps(
    make_pipeline: Callable[..., Pipeline], said: str, ways: list[Way]
) -> None:
    pipeline = make_pipeline(f"backbone.e1.{said}", "training.batch_size=2")
    records, model, prototypes = parts_of(pipeline)
    state, before = torch.get_rng_state(), {n: p.clone() for n, p in model.named_parameters()}
    plan = memory_plan(pipeline, model, prototypes, records, 1, CPU)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(p, before[n]) and p.grad is None for n, p in model.named_parameters())
    assert model.backbone is pipeline.backbone
    whole, batch = kept_by_largest(
        make_pipeline("training.batch_size=2", "backbone.e1.activation_checkpointing=false")
    )
    assert plan.fastest == pytest.approx(whole, rel=0.25)
    assert (plan.tokens, plan.chains, [cost.way for cost in plan.costs]) == (batch.tokens.tokens, 2, ways)
    assert plan.free is not None
    assert plan.free > 1e8


def test_the_estimate_of_layers_that_keep_their_inputs_is_those_and_one_layer(
    make_pipeline: Callable[..., Pipeline],
) -> None:
    pipeline = make_pipeline("training.batch_size=2")
    records, model, prototypes = parts_of(pipeline)
    whole, one, alone, both = (
        cost.kept for cost in memory_plan(pipeline, model, prototypes, records, 1, CPU).costs
    )
    inputs, batch = kept_by_largest(
        make_pipeline("training.batch_size=2", "backbone.e1.activation_checkpointing=true")
    )
    layers, width = 4, pipeline.backbone.hidden_size
    assert inputs > layers * batch.tokens.tokens * width * 4  # fp32 inputs of every layer
    assert alone == pytest.approx(inputs + (whole - inputs) / layers, rel=0.25)
    assert one == whole / pipeline.views.num_views
    assert both == alone / pipeline.views.num_views


def write_alignments(folder: Path, records: Sequence[ResidueRecord]) -> None:
    folder.mkdir()
    for record in records:
        rows = "".join(f">h{number}\n{record.sequence[::-1]}\n" for number in range(8))
        (folder / f"{record.id}.a3m").write_text(f">{record.id}\n{record.sequence}\n{rows}")


def test_the_largest_micro_batch_is_that_of_most_tokens_contexts_and_windows_told(
    make_spec: Callable[..., RunSpec], tmp_path: Path
) -> None:
    shortest, *others = sorted(read_chains(make_spec(), "train"), key=len)
    assert max(map(len, others)) > 3 * 120
    write_alignments(tmp_path / "msa", [shortest])
    pipeline = build_pipeline(
        make_spec(f"data.fasta3.msa_dir={tmp_path / 'msa'}", "training.batch_size=1", "training.max_residues=120")
    )
    records, model, prototypes = parts_of(pipeline)
    plan = memory_plan(pipeline, model, prototypes, records, 1, CPU)
    assert plan.tokens > 1.2 * pipeline.views.num_views * 120
    plain = build_pipeline(make_spec("training.batch_size=1", "training.max_residues=120"))
    records, model, prototypes = parts_of(plain)
    assert memory_plan(plain, model, prototypes, records, 1, CPU).tokens <= 1.1 * plain.views.num_views * 120


def test_a_context_that_views_share_is_counted_for_each_of_them_where_they_run_one_by_one(
    make_spec: Callable[..., RunSpec], tmp_path: Path
) -> None:
    records = read_chains(make_spec(), "train")
    write_alignments(tmp_path / "msa", records)
    pipeline = build_pipeline(
        make_spec(
            f"data.fasta3.msa_dir={tmp_path / 'msa'}",
            "views.masked.resample_msa_per_variant=false",
            "msa.train.max_token_length=600",
        )
    )
    records, model, prototypes = parts_of(pipeline)
    plan = memory_plan(pipeline, model, prototypes, records, 1, CPU)
    at_once, apart = plan.costs[0].kept, plan.costs[1].kept
    assert at_once / pipeline.views.num_views < 0.8 * apart
    assert apart < at_once


def test_a_backbone_that_cannot_be_adjusted_has_one_way(
    make_pipeline: Callable[..., Pipeline], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(E1Backbone, "adjusted")
    pipeline = make_pipeline("training.batch_size=2")
    records, model, prototypes = parts_of(pipeline)
    plan = memory_plan(pipeline, model, prototypes, records, 1, CPU)
    assert [cost.way for cost in plan.costs] == [{}]
    assert plan.costs[0].kept == plan.fastest


def test_the_fastest_way_that_fits_is_taken_and_told() -> None:
    assert PLAN.choice == 0
    assert PLAN.told(0) == f"{SIZE} keeps about 8.0 GB with all 4 views at once, 20.0 GB are free"
    assert PLAN.advice(0) is None
    assert replace(PLAN, free=None).choice == 0
    assert [replace(PLAN, free=int(free)).choice for free in (9e9, 2.5e9, 1e9, 1e8)] == [1, 2, 3, 3]
    assert replace(PLAN, free=int(2.5e9)).told(2) == (
        f"{SIZE} keeps about 1.0 GB with all 4 views at once and layers that keep their inputs alone, "
        "2.5 GB are free; it would keep 8.0 GB with all 4 views at once"
    )
    assert "keeps about 2.0 GB with one view at a time, 9.0 GB" in replace(PLAN, free=9_000_000_000).told(1)


def test_what_will_not_fit_in_any_way_is_told_with_what_to_do() -> None:
    short = replace(PLAN, free=10_000_000)
    assert (short.advice(3) or "").startswith("that may not fit: lower training.max_tokens")
    shut = replace(short, costs=COSTS[:1], pinned={"view_execution": "batched", "activation_checkpointing": False})
    names = [f'backbone.e1.{name} = "auto"' for name in ("view_execution", "activation_checkpointing")]
    assert (shut.advice(0) or "").startswith(f"that may not fit: set {' and '.join(names)}, or lower")


def test_a_faster_way_that_would_fit_is_told_where_the_spec_shuts_it_out() -> None:
    slow = replace(PLAN, costs=(Cost({}, True, False, 2e9),), pinned=ONE)
    assert slow.advice(0) == 'backbone.e1.view_execution = "auto" keeps about 8.0 GB, which fits, and is faster'
    assert replace(slow, free=9_000_000_000).advice(0) is None
    both = replace(PLAN, costs=(Cost({}, True, True, 3e8),), pinned={**ONE, **ALONE})
    assert "view_execution" in (both.advice(0) or "")
    assert "activation_checkpointing" in (both.advice(0) or "")


def test_the_limit_of_a_job_bounds_what_is_free(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("e1bind.engine.memory_plan.CGROUP", tmp_path)
    whole = free_bytes(CPU)
    (tmp_path / "memory.max").write_text("max\n")
    assert free_bytes(CPU) == pytest.approx(whole, rel=0.2)
    (tmp_path / "memory.max").write_text(f"{10**9}\n")
    assert free_bytes(CPU) < 10**9
