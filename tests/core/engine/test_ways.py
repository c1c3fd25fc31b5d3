"""Where memory is short a run computes in a thriftier way: with the same numbers, and it stays with that way."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from small_runs import StopsAfter, draw_nothing, go_on, results_of, train_once

from e1bind.curation.reading import read_chains
from e1bind.engine.crossval import cross_validate
from e1bind.engine.epoch import plan_epoch
from e1bind.engine.loader import TrainingBatches
from e1bind.engine.pipeline import Pipeline, build_model
from e1bind.engine.ways import INPUTS_ALONE, ONE_BY_ONE, Way, computing
from e1bind.errors import Interrupted
from e1bind.runs.layout import RunDir
from e1bind.scoring import Prototype
from e1bind.spec import load_spec

BOTH = {**ONE_BY_ONE, **INPUTS_ALONE}
FREE = "e1bind.engine.memory_plan.free_bytes"
RUN = "run"


@pytest.fixture
def scarce(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FREE, lambda _: 1_000_000)


def gradients(pipeline: Pipeline, way: Way) -> list[torch.Tensor]:
    """Of one micro-batch of the first epoch."""
    model = build_model(pipeline, 1).train()
    pipeline = computing(pipeline, model, way)
    micro = plan_epoch(pipeline, read_chains(pipeline.spec, "train"), 1, 1)[0]
    batch = TrainingBatches(pipeline, [micro], 1)[0]
    vector_P = torch.nn.functional.normalize(torch.ones(pipeline.width), dim=0)
    prototype = Prototype(vector_P, torch.zeros_like(vector_P), 1, 1, 1, 0.0, 0.0)
    model(batch, prototype).total.backward()
    return [p.grad for p in model.parameters() if p.grad is not None]


@pytest.mark.parametrize("way", [ONE_BY_ONE, INPUTS_ALONE, BOTH])
def test_every_way_has_the_gradients_of_all_views_at_once(make_pipeline: Callable[..., Pipeline], way: Way) -> None:
    pipeline = make_pipeline("lora.dropout=0.0")
    plain = gradients(pipeline, {})
    other = gradients(pipeline, way)
    scale = max(float(g.abs().max()) for g in plain)
    assert len(plain) == len(other)
    assert max(float((a - b).abs().max()) for a, b in zip(plain, other, strict=True)) < 1e-5 * scale


def test_a_run_with_little_memory_takes_the_thriftiest_way_and_says_so(
    tmp_path: Path, spec_text: str, scarce: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = spec_text.replace("dropout = 0.1", "dropout = 0.0")
    (tmp_path / "little").mkdir()
    little = train_once(tmp_path / "little", text, RUN).run.path
    monkeypatch.undo()
    (tmp_path / "much").mkdir()
    much = train_once(tmp_path / "much", text, RUN).run.path
    for run, way in ((little, BOTH), (much, {})):
        assert [json.loads((run / f"fold_{k}" / "fold.json").read_text())["way"] for k in (1, 2)] == [way, way]
    log = RunDir(little).log.read_text()
    assert "with one view at a time and layers that keep their inputs alone, 1 MB are free; it would keep" in log
    assert log.count("memory: ") == 1
    assert "that may not fit: lower" in log
    a, b = (np.load(run / "oof_preds.npz") for run in (little, much))
    score = next(name for name in a.files if a[name].dtype.kind == "f")
    assert np.abs(a[score] - b[score]).max() < 1e-3


@pytest.mark.parametrize(("stages", "micros"), [(2, 3), (4, 1)])
def test_a_run_that_goes_on_with_more_memory_stays_with_its_way(
    tmp_path: Path, spec_text: str, scarce: None, monkeypatch: pytest.MonkeyPatch, stages: int, micros: int
) -> None:
    (tmp_path / "whole").mkdir()
    whole = train_once(tmp_path / "whole", spec_text, RUN).run.path
    path = tmp_path / "spec.toml"
    path.write_text(spec_text)
    with pytest.raises(Interrupted):
        cross_validate(load_spec(path), path, draw_nothing, StopsAfter(stages, micros), RUN, None)
    monkeypatch.undo()
    stopped = tmp_path / "results" / RUN
    go_on(stopped)
    assert results_of(stopped) == results_of(whole)


def test_what_the_spec_says_is_not_chosen(tmp_path: Path, spec_text: str, scarce: None) -> None:
    said = 'random_weights = "tiny"\nview_execution = "batched"\nactivation_checkpointing = false'
    run = train_once(tmp_path, spec_text.replace('random_weights = "tiny"', said), RUN).run.path
    assert json.loads((run / "fold_1" / "fold.json").read_text())["way"] == {}
    assert 'set backbone.e1.view_execution = "auto"' in RunDir(run).log.read_text()
