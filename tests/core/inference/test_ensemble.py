"""The ensemble gives what validation gave, and refuses folds that are not the run's."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file

from e1bind.contracts import ResidueRecord
from e1bind.data.fasta import read_fasta
from e1bind.engine.pipeline import build_pipeline
from e1bind.errors import RunError, SpecError, UserError
from e1bind.inference.ensemble import Ensemble, choose_device
from e1bind.inference.stream import Prediction, predict_stream
from e1bind.runs.oof_table import read_oof
from e1bind.runs.reader import open_run

CPU = torch.device("cpu")
ADAPTER, HEADS = "best_e1_contrastive_model_lora", "best_e1_contrastive_model_heads.pt"


def refuse(record: ResidueRecord, message: str) -> None:
    pytest.fail(f"{record.id}: {message}")


@pytest.fixture(scope="module")
def predictions(ensemble, root) -> list[Prediction]:
    records = read_fasta(root / "examples" / "data" / "ZN_train.fasta", pytest.fail)
    return list(predict_stream(ensemble, records, refuse))


def test_each_fold_gives_the_chains_it_held_out_the_probabilities_of_the_out_of_fold_table(finished, predictions):
    oof = read_oof(finished.files.oof)
    compared = 0
    for prediction in predictions:
        rows = (oof["protein"] == prediction.record.id) & (oof["ion"] == "ZN")
        fold = int(oof["fold"][rows][0])
        assert prediction.probabilities["ZN"][fold - 1] == pytest.approx(oof["probability"][rows], abs=1e-6)
        compared += int(rows.sum())
    assert compared == (oof["ion"] == "ZN").sum()


def test_chains_longer_than_a_window_were_among_them(finished, predictions):
    assert max(len(p.record) for p in predictions) > finished.spec.training.max_residues


def test_folds_differ_and_mean_and_spread_are_over_them(predictions):
    of_folds = predictions[0].probabilities["ZN"]
    assert not np.allclose(of_folds[0], of_folds[1], atol=1e-4)
    assert predictions[0].mean("ZN") == pytest.approx((of_folds[0] + of_folds[1]) / 2)
    assert predictions[0].spread("ZN") == pytest.approx(abs(of_folds[0] - of_folds[1]) / 2, abs=1e-7)


def test_adapters_are_those_that_peft_itself_loads(finished, ensemble):
    pipeline = build_pipeline(finished.spec)
    tokens = pipeline.encoder.encode([[_view("MKVHCDEACGHK")]])
    for member in ensemble.members:
        folder = finished.files.fold(member.fold).adapter
        wanted = PeftModel.from_pretrained(pipeline.backbone.load_model(), str(folder)).eval()
        ensemble._use(member)
        with torch.inference_mode():
            theirs = pipeline.backbone.hidden(wanted, tokens)
            ours = pipeline.backbone.hidden(ensemble.model.network, tokens)
        assert torch.allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def _view(sequence):
    from e1bind.contracts import View

    return View.unmasked(sequence)


def test_another_backbone_is_refused(copy):
    _edit_spec(copy, lambda spec: spec["backbone"]["e1"].update(random_seed=5))
    with pytest.raises(RunError, match="trained on another backbone"):
        Ensemble(open_run(copy), CPU)


def test_an_edited_spec_is_told(copy):
    _edit_spec(copy, lambda spec: spec["run"].update(seed=9))
    assert any("was changed after the run" in warning for warning in open_run(copy).warnings)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda spec: spec["lora"].update(alpha=99), "adapter is not the one the spec describes: lora_alpha"),
        (lambda spec: spec["lora"].update(r=3), "adapter is not the one the spec describes"),
        (lambda spec: spec["prototypes"].update(scoring_temperature=0.2), None),
        (lambda spec: spec["training"].update(ions=["ZN"]), "of other ions"),
    ],
)
def test_a_spec_that_would_score_otherwise_is_refused(copy, edit, message):
    _edit_spec(copy, edit)
    if message is None:  # the temperature it had anyway
        Ensemble(open_run(copy), CPU)
        return
    with pytest.raises(RunError, match=message):
        Ensemble(open_run(copy), CPU)


def test_another_temperature_is_refused(copy):
    def edit(spec):
        spec["prototypes"]["scoring_temperature"] = 0.3
        spec["losses"]["prototype-bce"]["scoring_temperature"] = 0.3

    _edit_spec(copy, edit)
    with pytest.raises(RunError, match="trained with scoring temperature"):
        Ensemble(open_run(copy), CPU)


def test_a_missing_plugin_is_named(copy):
    _edit_spec(copy, lambda spec: spec["losses"].update({"gone": {"use": "acme/gone", "weight": 1.0}}))
    with pytest.raises(SpecError, match=r"losses\.gone.*no loss named 'acme/gone'"):
        open_run(copy)


def test_folds_that_changed_places_are_refused(copy):
    one, two = (copy / f"fold_{n}" / HEADS for n in (1, 2))
    shutil.copy(one, two)
    with pytest.raises(RunError, match="belongs to fold 1"):
        Ensemble(open_run(copy), CPU)


def test_a_truncated_adapter_is_refused(copy):
    file = copy / "fold_2" / ADAPTER / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(RunError, match="damaged"):
        Ensemble(open_run(copy), CPU)


@pytest.mark.parametrize("change", ["missing", "nan"])
def test_an_adapter_with_other_tensors_is_refused(copy, change):
    file = copy / "fold_1" / ADAPTER / "adapter_model.safetensors"
    tensors = load_file(file)
    name = sorted(tensors)[0]
    if change == "missing":
        del tensors[name]
    else:
        tensors[name][0, 0] = float("nan")
    save_file(tensors, file)
    with pytest.raises(RunError, match="do not fit" if change == "missing" else "not finite"):
        Ensemble(open_run(copy), CPU)


def test_pickled_heads_are_not_unpickled(copy):
    torch.save({"format": 1, "prototypes": Path("x")}, copy / "fold_1" / HEADS)
    with pytest.raises(RunError, match="damaged"):
        Ensemble(open_run(copy), CPU)


@pytest.mark.parametrize(
    ("remove", "message"),
    [
        (["fold_1/fold.json", "fold_2/fold.json", "summary.json"], "no fold of the run has finished"),
        (["fold_2/fold.json", "summary.json"], "unfinished run: fold 2 of 2"),
        (["summary.json"], "e1bind collect"),
        (["spec.resolved.json"], "no run directory"),
        (["global_thresholds.yaml"], "is missing"),
    ],
)
def test_an_incomplete_run_is_refused(copy, remove, message):
    for name in remove:
        (copy / name).unlink()
    with pytest.raises(RunError, match=message):
        open_run(copy)


def test_thresholds_that_are_no_numbers_are_refused(copy):
    path = copy / "global_thresholds.yaml"
    path.write_text(path.read_text().replace("threshold: 0", "threshold: high", 1))
    with pytest.raises(RunError, match=r"global_thresholds\.yaml is damaged: threshold: "):
        open_run(copy)
    path.write_text("ZN: !!python/object/apply:os.getcwd []\n")
    with pytest.raises(RunError, match="damaged"):
        open_run(copy)


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "cpu:1", "meta"])
def test_unknown_devices_are_refused(name):
    with pytest.raises(UserError, match="no such device"):
        choose_device(name)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_refused():
    assert choose_device("auto") == CPU
    with pytest.raises(UserError, match="no GPU"):
        choose_device("cuda")


def _edit_spec(run, edit):
    path = run / "spec.resolved.json"
    spec = json.loads(path.read_text())
    edit(spec)
    path.write_text(json.dumps(spec))
