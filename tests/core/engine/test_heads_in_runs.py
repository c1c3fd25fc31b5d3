"""Runs with other heads and adapters: trained, gone on with, used; and what does not fit together is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from small_runs import StopsAfter, draw_nothing, go_on, train_once

from e1bind.engine.crossval import cross_validate
from e1bind.errors import Interrupted, SpecError
from e1bind.inference.ensemble import Ensemble
from e1bind.inference.predict import PredictOptions, predict
from e1bind.runs.adapters import load_heads
from e1bind.runs.oof_table import read_oof
from e1bind.runs.reader import open_run
from e1bind.spec import load_spec

LINEAR = "[head.linear]\n[losses.nt-xent]\nweight = 0.2\n[losses.bce]\n"


@pytest.fixture(scope="module")
def linear_text(spec_text):
    """The small run with a trained classifier in place of prototypes, and no adapter."""
    losses = spec_text[spec_text.index("[losses.nt-xent]") : spec_text.index("[training]")]
    text = spec_text.replace(losses, LINEAR)
    return text.replace("[lora]\n", "[lora]\nenabled = false\n").replace('["ZN"]', '["ZN", "CA"]')


@pytest.fixture(scope="module")
def linear(tmp_path_factory, linear_text):
    torch.set_num_threads(1)
    return train_once(tmp_path_factory.mktemp("linear"), linear_text, "linear").run


def test_a_linear_head_on_a_frozen_backbone_learns_and_leaves_no_adapter(linear):
    assert not linear.fold(1).adapter.exists()
    heads = load_heads(linear.fold(1))
    assert heads.prototypes == {}
    assert set(heads.head) == {"weight_IP", "bias_I", "mean_IP", "std_IP"}
    assert heads.head["weight_IP"].abs().max() > 0
    assert not torch.equal(heads.head["mean_IP"][0], heads.head["mean_IP"][1])
    rows = [json.loads(line) for line in linear.metrics.read_text().splitlines()]
    losses = [r["loss/bce"] for r in rows if r["split"] == "train" and r["fold"] == 1 and r["ion"] == "ZN"]
    assert losses[-1] < losses[0]


def test_prediction_gives_the_out_of_fold_scores_of_each_fold(linear):
    run = open_run(linear.path)
    ensemble = Ensemble(run, torch.device("cpu"))
    table = read_oof(linear.oof)
    rows = (table["ion"] == "ZN") & (table["fold"] == 1)
    chain = str(table["protein"][rows][0])
    own = rows & (table["protein"] == chain)
    sequence = "".join(table["amino_acid"][own])[:120]
    from e1bind.contracts import View

    tokens = ensemble.pipeline.encoder.encode([[View.unmasked(sequence)]])
    found = ensemble.score([tokens])
    if own.sum() <= 120:
        assert found[0][0]["ZN"] == pytest.approx(table["score"][own], abs=1e-5)
    assert not np.allclose(found[0][0]["ZN"], found[1][0]["ZN"])
    assert not np.allclose(found[0][0]["ZN"], found[0][0]["CA"])


def test_a_stopped_run_goes_on_to_the_same_bytes(linear, linear_text, tmp_path):
    path = tmp_path / "spec.toml"
    path.write_text(linear_text)
    with pytest.raises(Interrupted):
        cross_validate(load_spec(path), path, draw_nothing, StopsAfter(2, 3), "linear", None)
    run = tmp_path / "results" / "linear"
    go_on(run)
    for name in ("summary.csv", "oof_preds.npz", "metrics.jsonl", "fold_1/oof_preds.npz"):
        assert (run / name).read_bytes() == (linear.path / name).read_bytes(), name
    ours, theirs = (torch.load(p / "fold_1/best_e1_contrastive_model_heads.pt") for p in (run, linear.path))
    assert all(torch.equal(ours["head"][name], theirs["head"][name]) for name in theirs["head"])


@pytest.mark.parametrize("name", ["best_e1_contrastive_model_heads.pt", "fold.json"])
def test_files_of_the_other_fold_are_refused(linear, tmp_path, name):
    copy = Path(shutil.copytree(linear.path, tmp_path / "copy"))
    shutil.copy(copy / "fold_2" / name, copy / "fold_1" / name)
    with pytest.raises(Exception, match=name):
        open_run(copy)


@pytest.mark.parametrize(("switch", "key"), [("use_rslora", "use_rslora"), ("use_dora", "use_dora")])
def test_peft_s_switches_reach_the_adapter_and_predict_follows_them(spec_text, tmp_path, switch, key, zinc_file):
    text = spec_text.replace("[lora]\n", f"[lora]\n{switch} = true\n").replace("epochs = 2", "epochs = 1")
    run = train_once(tmp_path, text).run
    config = json.loads(run.fold(1).adapter_config.read_text())
    assert config[key] is True
    predict(run.path, PredictOptions(source=zinc_file, target=tmp_path / "out.csv"))
    assert (tmp_path / "out.csv").read_text().count("\n") > 1800


@pytest.fixture
def zinc_file(root):
    return root / "examples" / "data" / "ZN_train.fasta"


REFUSED = {
    "a loss that needs prototypes": (
        ["head.linear={}"],
        "losses.prototype-alignment needs prototypes (a head that scores by prototypes, as [head.prototype] does), "
        "which head.linear do",
    ),
    "a linear head without a loss on its scores": (
        ["head.linear={}", "losses={nt-xent={}}"],
        "head.linear needs loss-on-scores (a loss on its scores, such as [losses.bce])",
    ),
    "nothing to learn": (["lora.enabled=false"], "lora.enabled is false, and head.prototype has nothing to learn"),
    "an MLM head without an adapter": (
        ["lora.enabled=false", "lora.train_mlm_head=true"],
        "lora train_mlm_head needs enabled = true",
    ),
    "two heads": (["head.linear={}", "head.prototype={}"], "head must hold exactly one table"),
    "an unknown head": (["head.liner={}"], "did you mean 'linear'?"),
    "an unknown baseline": (["baselines.compute=['windou']"], "did you mean 'window'?"),
    "a baseline called run": (["baselines.run={use='window'}"], "baselines.run is what the run itself is called"),
    "an even window": (["baselines.window={size=4}"], "baselines.window.size must be odd"),
}


@pytest.mark.parametrize(("overrides", "told"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_fit_together_is_refused(make_spec, overrides, told):
    with pytest.raises(SpecError) as refused:
        make_spec(*overrides)
    assert told in " ".join(str(refused.value).split())


def test_the_same_loss_on_scores_trains_either_head(make_spec):
    for head in ("linear", "prototype"):
        for loss in ("bce", "focal", "asymmetric"):
            spec = make_spec(f"head={{{head}={{}}}}", f"losses={{{loss}={{}}}}")
            assert spec.has_prototypes == (head == "prototype")


def test_a_spec_without_a_head_means_prototypes(make_spec):
    resolved = make_spec().resolved()
    assert resolved["head"] == {"prototype": {"use": "e1bind-core/prototype"}}
    assert make_spec("head.prototype={}").resolved() == resolved
