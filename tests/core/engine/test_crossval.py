"""A whole small run: what it leaves on disk, that it repeats itself, and that its folds may be trained apart."""

from __future__ import annotations

import csv
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
import yaml
from sklearn.metrics import matthews_corrcoef
from small_runs import StopsAfter, draw_nothing, go_on, results_of, train_once

from e1bind.engine import fold_trainer as fold_module
from e1bind.engine.crossval import collect, cross_validate
from e1bind.engine.events import Listener
from e1bind.errors import Interrupted, RunError
from e1bind.runs.adapters import load_heads
from e1bind.runs.fold_state import StateFiles
from e1bind.runs.frozen_spec import frozen_spec
from e1bind.runs.layout import RunDir
from e1bind.runs.oof_table import read_oof
from e1bind.runs.sessions import sessions_of
from e1bind.spec import load_spec


def test_every_file_of_a_run_is_there(finished):
    run = finished.run.path
    expected = ["spec.toml", "overrides.txt", "spec.resolved.json", "plugins.json", "environment.json", "data.json"]
    expected += ["training.log", "metrics.jsonl", "summary.json", "summary.csv", "oof_preds.npz"]
    expected += ["global_thresholds.yaml"]
    for fold in ("fold_1", "fold_2"):
        expected += [f"{fold}/best_e1_contrastive_model_lora/adapter_config.json"]
        expected += [f"{fold}/best_e1_contrastive_model_lora/adapter_model.safetensors"]
        expected += [f"{fold}/best_e1_contrastive_model_heads.pt", f"{fold}/metrics.jsonl", f"{fold}/fold.json"]
        assert list((run / fold / "last").glob("*.pt"))
    assert [name for name in expected if not (run / name).is_file()] == []
    assert not list(run.rglob("*.tmp"))


def test_out_of_fold_rows_are_every_training_residue_once_by_the_fold_that_held_it_out(finished, root):
    table = read_oof(finished.run.oof)
    sequences: dict[str, str] = {}
    labels: dict[str, str] = {}
    lines = (root / "examples" / "data" / "ZN_train.fasta").read_text().split("\n")
    for head, sequence, own in zip(lines[0::3], lines[1::3], lines[2::3], strict=False):
        chain = head[1:].split()[0]
        sequences[chain], labels[chain] = sequence, own
    keys = set(zip(table["protein"].tolist(), table["residue_index"].tolist(), strict=True))
    assert len(keys) == len(table["protein"]) == sum(map(len, sequences.values()))
    for chain, index, letter, label in zip(
        table["protein"], table["residue_index"], table["amino_acid"], table["label"], strict=True
    ):
        assert sequences[chain][index] == letter
        assert int(labels[chain][index]) == label
    for chain in sequences:
        assert len(set(table["fold"][table["protein"] == chain])) == 1


def test_a_run_keeps_when_and_on_what_it_was_trained(finished):
    (session,) = sessions_of(finished.run)
    assert session.command is None  # a test trained it
    assert session.device.startswith("CPU, ")
    assert session.processes == 1
    assert session.seconds > 0


def test_thresholds_come_from_the_out_of_fold_table(finished):
    (entry,) = yaml.safe_load(finished.run.thresholds.read_text()).values()
    table = read_oof(finished.run.oof)
    called = table["probability"] >= entry["threshold"]
    positive = table["label"] == 1
    cuts = np.unique(table["probability"])  # the slow way
    best = max(matthews_corrcoef(positive, table["probability"] >= cut) for cut in cuts)
    assert matthews_corrcoef(positive, called) == pytest.approx(best)
    assert entry["method"] == "mcc"


def test_the_log_tells_every_epoch_and_ion_with_prototype_diagnostics(finished):
    log = finished.run.log.read_text()
    for fold in (1, 2):
        for epoch in (1, 2):
            (line,) = [x for x in log.splitlines() if f"fold {fold} epoch {epoch} ZN:" in x]
            assert all(name in line for name in ("loss", "hra", "pull_mask_ratio", "sim_pos", "sim_neg"))
    rows = [json.loads(line) for line in finished.run.metrics.read_text().splitlines()]
    assert [(r["fold"], r["epoch"], r["split"]) for r in rows] == [
        (fold, epoch, split) for fold in (1, 2) for epoch in (1, 2) for split in ("train", "valid")
    ]
    train = rows[0]
    assert {"loss/nt-xent", "loss/prototype-alignment", "loss/prototype-bce", "loss/mlm"} <= set(train)
    assert {"pull_mask_ratio", "sim_pos", "sim_neg", "sim_pos|pos", "sim_pos|neg"} <= set(train)


def test_the_best_epoch_is_that_of_the_highest_monitored_value(finished):
    rows = [json.loads(line) for line in finished.run.metrics.read_text().splitlines()]
    for row in finished.summary.folds:
        valid = [r for r in rows if r["fold"] == row.fold and r["split"] == "valid"]
        assert row.best_epoch == max(valid, key=lambda r: r["hra"])["epoch"]
        assert row.metrics["auprc"] == pytest.approx(
            next(r["auprc"] for r in valid if r["epoch"] == row.best_epoch), abs=1e-6
        )


def test_the_summary_s_table_has_a_row_for_each_fold_and_one_for_all(finished):
    with (finished.run.path / "summary.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["fold"] for row in rows] == ["1", "2", "oof"]
    assert sum(int(row["residues"]) for row in rows[:2]) == int(rows[2]["residues"])


def test_two_runs_of_one_spec_give_the_same_bytes(finished, tmp_path, spec_text):
    again = train_once(tmp_path, spec_text)
    assert again.run.path != finished.run.path
    assert results_of(again.run.path) == results_of(finished.run.path)


def test_another_seed_gives_another_run(finished, tmp_path, spec_text):
    other = train_once(tmp_path, spec_text.replace("[run]", "[run]\nseed = 2"))
    assert other.run.oof.read_bytes() != finished.run.oof.read_bytes()


def test_batches_prepared_by_workers_change_nothing(finished, tmp_path, spec_text):
    other = train_once(tmp_path, spec_text.replace("batch_size = 2", "batch_size = 2\nworkers = 2"))
    assert results_of(other.run.path) == results_of(finished.run.path)


def test_folds_trained_one_by_one_and_collected_are_the_whole_run(finished, tmp_path, spec_text):
    for fold in (2, 1):
        assert train_once(tmp_path, spec_text, run_id="array", fold=fold) is None
    path = tmp_path / "results" / "array"
    assert not (path / "summary.json").exists()
    whole = collect(frozen_spec(RunDir(path)), path, draw_nothing, Listener())
    assert whole.summary.finished
    assert results_of(path) == results_of(finished.run.path)


def test_collect_names_the_folds_that_are_missing(tmp_path, spec_text):
    train_once(tmp_path, spec_text, run_id="array", fold=2)
    path = tmp_path / "results" / "array"
    with pytest.raises(
        RunError, match=r"fold 1 of 2 has not finished; train it with: e1bind train --resume .*array --fold 1"
    ):
        collect(frozen_spec(RunDir(path)), path, draw_nothing, Listener())


def test_one_fold_of_another_spec_does_not_join_the_run(tmp_path, spec_text):
    train_once(tmp_path, spec_text, run_id="array", fold=1)
    with pytest.raises(RunError, match=r"training\.learning_rate: 0\.001 -> 0\.002"):
        train_once(tmp_path, spec_text.replace("1e-3", "2e-3"), run_id="array", fold=2)


def test_a_fold_that_does_not_exist_is_refused(tmp_path, spec_text):
    with pytest.raises(RunError, match=r"--fold 3: the run has 2 folds"):
        train_once(tmp_path, spec_text, run_id="array", fold=3)


def test_a_named_run_is_never_written_over(finished, tmp_path, spec_text):
    (tmp_path / "results" / "mine").mkdir(parents=True)
    with pytest.raises(RunError, match=r"mine exists: .* go on with it:\n  e1bind train --resume"):
        train_once(tmp_path, spec_text, run_id="mine")


@pytest.mark.parametrize(("stages", "micros"), [(1, 1), (1, 4), (2, 2), (4, 3)])
def test_a_run_that_was_stopped_goes_on_to_the_same_bytes(finished, tmp_path, spec_text, stages, micros):
    path = tmp_path / "spec.toml"
    path.write_text(spec_text)
    with pytest.raises(Interrupted, match=r"(?s)stopped by SIGTERM after step .* --resume") as stopped:
        cross_validate(load_spec(path), path, draw_nothing, StopsAfter(stages, micros), "stopped", None)
    assert stopped.value.signal == 15
    run = RunDir(tmp_path / "results" / "stopped")
    assert not run.summary.exists()
    done = go_on(run.path)
    assert done.summary.finished
    assert results_of(run.path) == results_of(finished.run.path)
    assert "goes on at epoch" in run.log.read_text()


def test_steps_of_another_size_are_refused_unless_forced(tmp_path, spec_text):
    assert train_once(tmp_path, spec_text, "r", 1) is None
    run = RunDir(tmp_path / "results" / "r")
    spec = load_spec(tmp_path / "spec.toml", ["training.accum_steps=3"])
    with pytest.raises(RunError, match=r"training\.accum_steps"):
        go_on(run.path, 2, spec=spec)
    assert not run.fold(2).done.exists()
    go_on(run.path, 2, spec=spec, force=True)
    assert run.fold(2).done.exists()


def test_restarts_need_a_run_to_go_on_with(tmp_path, spec_text, monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_MAX_RESTARTS", "3")  # as torchrun sets it for its processes
    with pytest.raises(RunError, match="--max-restarts needs --run-id"):
        train_once(tmp_path, spec_text)
    assert not (tmp_path / "results").exists()


def test_early_stopping_counts_epochs_since_the_best(tmp_path, spec_text):
    text = spec_text.replace("early_stop_patience = 0", "early_stop_patience = 1").replace(
        "epochs = 2", "epochs = 9"
    )
    text = text.replace("learning_rate = 1e-3", "learning_rate = 1e-9\nmin_lr = 0").replace(
        "folds = 2", "folds = 2"
    )
    done = train_once(tmp_path, text)
    # Nothing is learnt at such a rate, so the first epoch stays the best.
    assert [(r.best_epoch, r.epochs) for r in done.summary.folds] == [(1, 2), (1, 2)]
    assert "no better hra for 1 epochs, stopping" in done.run.log.read_text()


def test_adapter_and_heads_score_in_a_fresh_process_as_validation_did(finished):
    """With PEFT and torch alone, apart from e1bind's encoder: what is on disk is enough."""
    code = f"""
import json, sys
import numpy as np, torch
from peft import PeftModel
from e1bind.engine import fold_trainer as fold_module
from e1bind.runs.adapters import load_heads
from e1bind.runs.oof_table import read_oof
from e1bind.engine.pipeline import build_pipeline
from e1bind.curation.reading import read_chains
from e1bind.contracts import View
from e1bind.runs.frozen_spec import frozen_spec
from e1bind.runs.layout import RunDir
from pathlib import Path
torch.set_num_threads(1)
run = Path({str(finished.run.path)!r})
pipeline = build_pipeline(frozen_spec(RunDir(run)))
table = read_oof(run / "oof_preds.npz")
worst = 0.0
for fold in (1, 2):
    folder = run / f"fold_{{fold}}"
    adapter = str(folder / "best_e1_contrastive_model_lora")
    model = PeftModel.from_pretrained(pipeline.backbone.load_model(), adapter).eval()
    heads = load_heads(RunDir(run).fold(fold))
    vector = heads.prototypes["ZN"].vector_P
    for record in read_chains(pipeline.spec, "train"):
        rows = (table["protein"] == record.id) & (table["fold"] == fold)
        if not rows.any() or len(record) > 120:
            continue
        batch = pipeline.encoder.encode([[View.unmasked(record.sequence)]])
        with torch.no_grad():
            hidden = pipeline.backbone.hidden(model, batch)
        z = torch.nn.functional.normalize(hidden[batch.token_RV[:, 0]], dim=-1)
        p = torch.sigmoid(2 * (z @ vector) / heads.scoring_temperature)
        worst = max(worst, float(np.abs(p.numpy() - table["probability"][rows]).max()))
print(worst)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert float(result.stdout.split()[-1]) < 1e-5


def test_heads_say_what_they_belong_to_and_load_without_unpickling(finished):
    heads = load_heads(finished.run.fold(1))
    assert (heads.fold, heads.epoch) == (1, finished.summary.folds[0].best_epoch)
    assert set(heads.prototypes) == {"ZN"}
    assert float(heads.prototypes["ZN"].vector_P.norm()) == pytest.approx(1, abs=1e-6)
    stored = torch.load(finished.run.fold(1).heads, weights_only=True)
    assert isinstance(stored["prototypes"]["ZN"]["vector_P"], torch.Tensor)


@pytest.mark.parametrize("where", ["weight", "gradient"])
def test_a_step_that_is_not_finite_ends_the_run_with_a_bundle_and_the_state_before_it(
    tmp_path, spec_text, monkeypatch, where
):
    """In the third step a tensor holds NaN, or is given a gradient that is not finite."""
    build = fold_module.build_model

    def build_broken(*arguments):
        model = build(*arguments)
        tensor = next(p for n, p in model.named_parameters() if n.endswith("lora_B.default.weight"))
        if where == "gradient":
            tensor.register_hook(lambda g: g * torch.nan if broken else g)
        model.register_forward_pre_hook(lambda *_: poison(tensor) if broken and where == "weight" else None)
        return model

    def poison(tensor):
        with torch.no_grad():
            tensor.fill_(torch.nan)

    broken: list[int] = []

    class Breaks(Listener):
        def advance(self, done, figures):
            if done == 2:
                broken.append(1)

    monkeypatch.setattr(fold_module, "build_model", build_broken)
    path = tmp_path / "spec.toml"
    path.write_text(spec_text.replace("accum_steps = 2", "accum_steps = 1\nsave_every_steps = 1"))
    with pytest.raises(
        RunError, match=r"fold 1, epoch 1, step 3: .* not finite .*Batches and weights of this step"
    ):
        cross_validate(load_spec(path), path, draw_nothing, Breaks(), "broken", None)
    run = tmp_path / "results" / "broken"
    (bundle,) = (run / "fold_1").glob("nonfinite-*.pt")
    stored = torch.load(bundle, weights_only=True)
    assert stored["position"] == {"fold": 1, "epoch": 1, "step": 3, "rank": 0}
    assert stored["batches"][0]["ids"]
    assert "not finite" in stored["message"]
    assert not (run / "summary.json").exists()
    state = StateFiles(run / "fold_1" / "last").load()
    assert (state.epoch, state.step) == (1, 2)
    assert all(torch.isfinite(tensor).all() for tensor in state.trainable.values())


def test_scores_that_are_not_finite_end_the_run_instead_of_entering_a_metric(tmp_path, spec_text, monkeypatch):
    def evaluate_broken(*arguments):
        scores, means = evaluate(*arguments)
        next(iter(scores.values()))[3] = np.nan
        return scores, means

    evaluate = fold_module.evaluate
    monkeypatch.setattr(fold_module, "evaluate", evaluate_broken)
    with pytest.raises(RunError, match=r"fold 1, epoch 1, ZN: scores in validation are not finite for \w+:"):
        train_once(tmp_path, spec_text)
