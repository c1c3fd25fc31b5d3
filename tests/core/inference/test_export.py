"""A fold merged into its backbone: loadable by transformers and by e1bind, and the same predictions."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from peft import PeftModel
from plugin_packages import environment
from small_runs import SPEC, train_once
from tiny_checkpoints import write_bert, write_esm
from transformers import AutoModelForMaskedLM, AutoTokenizer

import e1bind
from e1bind.contracts import DrawKey, ResidueRecord
from e1bind.data.collate import ProteinBatch
from e1bind.engine.model import ContrastiveModel, unit
from e1bind.engine.pipeline import build_pipeline, build_projector
from e1bind.errors import UserError
from e1bind.inference.export import ExportOptions, export_merged
from e1bind.inference.stream import predict_stream
from e1bind.runs.adapters import load_heads
from e1bind.runs.fingerprints import fingerprint
from e1bind.runs.layout import RunDir
from e1bind.runs.reader import open_run
from e1bind.runs.result_dirs import MergedDir
from e1bind.scoring import probabilities
from e1bind.spec import load_spec
from e1bind.views.masked import unmasked_view
from e1bind_backbones.e1 import E1ForMaskedLM
from e1bind_backbones.e1.random_init import random_config, random_model

SEQUENCE = "MKVHCDEACGHKLLPWFYTSNQRGIVE"
E1_TABLE = '[backbone.e1]\nrandom_weights = "tiny"\n'
CASES = {
    "e1": '[prototypes]\nprojector = "linear"\n[metrics]',
    "esm": "[metrics]",
    "bert": "[head.linear]\n[losses.bce]\n[metrics]",
}


def backbone_table(kind: str, checkpoint: Path) -> str:
    if kind == "e1":
        random_model(random_config("tiny"), 3).save_pretrained(checkpoint)
        return f'[backbone.e1]\ncheckpoint = "{checkpoint}"\n'
    {"esm": write_esm, "bert": write_bert}[kind](checkpoint)
    return f'[backbone.hf-mlm]\ncheckpoint = "{checkpoint}"\n'


def spec_text(root: Path, kind: str, checkpoint: Path) -> str:
    text = SPEC.format(data=root / "examples" / "data").replace("epochs = 2", "epochs = 1")
    text = text.replace(E1_TABLE, backbone_table(kind, checkpoint)).replace(
        "max_residues = 120", "max_residues = 50"
    )
    if kind == "esm":
        text = text.replace("dropout = 0.1", "dropout = 0.1\nuse_dora = true\ntrain_mlm_head = true")
    if kind == "bert":
        for loss in ("prototype-alignment", "prototype-bce"):
            text = text.replace(f"[losses.{loss}]\n", "")
    return text.replace("[metrics]", CASES[kind])


@pytest.fixture(scope="module", params=CASES)
def exported(request, tmp_path_factory, root):
    """Kind, run, checkpoint it was trained on, and the folder that fold 2 was exported to."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp(request.param)
    run = train_once(folder, spec_text(root, request.param, folder / "checkpoint"), "first").run.path
    merged = export_merged(run, ExportOptions(2, folder / "out" / "merged"))
    return request.param, run, folder / "checkpoint", merged.path


def own_probabilities(spec, heads, ions):
    """What a checkpoint and the heads beside it say, put together from their parts."""
    pipeline = build_pipeline(spec)
    network = pipeline.backbone.load_model()
    assert fingerprint(network) == heads.fingerprint
    projector = build_projector(pipeline, 0)
    projector.load_state_dict(dict(heads.projector))
    head = pipeline.head.module(ions, pipeline.width)
    head.load_state_dict(dict(heads.head))
    temperature, weights = heads.scoring_temperature, heads.fingerprint
    model = ContrastiveModel(pipeline.backbone, network, projector, head, {}, {}, temperature, False, weights)
    view = unmasked_view(ResidueRecord("x", SEQUENCE), DrawKey(0, 0, "x"))
    tokens = pipeline.encoder.encode([[view]])
    unknown_R = torch.full_like(tokens.target_R, -1)
    prototype = heads.prototypes.get("ZN")
    with torch.inference_mode():
        _, raw_RVP = model.eval().embed(ProteinBatch("", (), tokens, unknown_R, unknown_R))
        scores = model.scored("ZN", tokens.visible_RV, raw_RVP, unit(raw_RVP, prototype), prototype)
    return probabilities(scores.numpy())


def test_e1bind_reads_it_and_predicts_what_the_run_s_fold_predicts(exported, tmp_path):
    kind, run, _, merged = exported
    text = (run.parents[1] / "spec.toml").read_text()
    text = re.sub(r'checkpoint = ".*"', f'checkpoint = "{merged}"', text)
    (tmp_path / "spec.toml").write_text(text)
    heads = load_heads(MergedDir(merged))
    found = own_probabilities(load_spec(tmp_path / "spec.toml"), heads, ["ZN"])
    wanted = e1bind.load_run(run, device="cpu")
    (prediction,) = predict_stream(wanted._ensemble, [ResidueRecord("x", SEQUENCE)], lambda *_: None)
    assert found == pytest.approx(prediction.probabilities["ZN"][1], abs=1e-5)
    assert not np.allclose(found, prediction.probabilities["ZN"][0], atol=1e-4), kind


def test_transformers_reads_it_without_peft(exported):
    kind, run, checkpoint, merged = exported
    assert {"README.md", "config.json", "model.safetensors", "heads.pt", "global_thresholds.yaml"} <= set(
        os.listdir(merged)
    )
    assert (merged / "global_thresholds.yaml").read_bytes() == (run / "global_thresholds.yaml").read_bytes()
    reader = E1ForMaskedLM if kind == "e1" else AutoModelForMaskedLM
    plain, base = reader.from_pretrained(merged).eval(), reader.from_pretrained(checkpoint).eval()
    adapter = RunDir(run).fold(2).adapter
    adapted = PeftModel.from_pretrained(base, str(adapter)).eval()
    if kind == "e1":
        return
    tokens = AutoTokenizer.from_pretrained(merged)(" ".join(SEQUENCE), return_tensors="pt")
    assert tokens["input_ids"].shape[1] == len(SEQUENCE) + 2
    with torch.inference_mode():
        assert torch.allclose(plain(**tokens).logits, adapted(**tokens).logits, atol=1e-4)


def front_of(card: Path) -> tuple[dict, str]:
    _, front, text = card.read_text().split("---\n", 2)
    return yaml.safe_load(front), text


def test_the_card_of_an_export_says_what_it_is(exported):
    kind, run, _, merged = exported
    front, text = front_of(merged / "README.md")
    summary = json.loads((run / "summary.json").read_text())
    assert front["library_name"] == "transformers"
    assert "base_model" not in front  # a folder of this machine is nobody else's
    assert "fold 2 of 2" in text
    assert "run `first`" in text
    assert f"| ZN | 13 | 49 | {summary['oof']['ZN']['threshold']:.4g} |" in text
    assert str(run.parents[1]) not in text
    assert ("Profluent-E1 Clickthrough License Agreement" in text) == (kind == "e1")
    assert ("licence is not known to e1bind" in text) == (kind != "e1")


def test_the_card_of_an_adapter_is_filled_and_its_code_runs(exported):
    kind, run, checkpoint, _ = exported
    card = RunDir(run).fold(1).card
    front, text = front_of(card)
    assert front["library_name"] == "peft"
    assert front["tags"][0] == "e1bind"
    assert "[More Information Needed]" not in text
    assert "Fold 1 of 2" in text
    assert "LoRA of rank 4, alpha 8, dropout 0.1" in text
    assert ("DoRA" in text) == (kind == "esm")
    row = next(line for line in text.splitlines() if line.startswith("| ZN | ") and line.count("|") == 8)
    counts = [int(cell) for cell in row.split("|")[2:-1]]
    assert counts[0] + counts[3] == 13
    assert counts[2] + counts[5] == 49
    rows = [json.loads(line) for line in (run / "fold_1" / "metrics.jsonl").read_text().splitlines()]
    valid = next(row for row in rows if row["split"] == "valid")
    assert f"| ZN | {valid['auprc']:.3f} |" in text
    (block,) = re.findall(r"```python\n(.*?)```", text, re.S)
    block = block.replace("FOLDER_OF_THIS_FILE", str(card.parent)).replace("…/", f"{checkpoint.parent}/")
    done = subprocess.run([sys.executable, "-c", block], capture_output=True, text=True, env=environment())
    assert done.returncode == 0, done.stderr


def test_the_same_fold_has_the_same_card_and_it_is_sealed(exported, tmp_path):
    _, run, _, _ = exported
    done = json.loads((run / "fold_1" / "fold.json").read_text())
    name = "best_e1_contrastive_model_lora/README.md"
    assert name in done["files"]
    assert f"fold_1/{name}" in json.loads((run / "summary.json").read_text())["files"]
    copy = Path(shutil.copytree(run, tmp_path / "copy"))
    (copy / "fold_1" / name).unlink()
    assert open_run(copy).ions == ["ZN"]  # who uses the model does without its description
    assert "copy" not in (run / "fold_1" / name).read_text()
    assert run.name not in (run / "fold_1" / name).read_text()


def test_what_cannot_be_exported_is_told_and_leaves_nothing(exported, tmp_path):
    _, run, _, merged = exported
    before = sorted(os.listdir(merged))
    with pytest.raises(UserError, match="is not empty; choose another folder with --merged"):
        export_merged(run, ExportOptions(1, merged))
    with pytest.raises(UserError, match="--fold 3: the run has the folds 1 to 2"):
        export_merged(run, ExportOptions(3, tmp_path / "x"))
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="cannot be written"):
        export_merged(run, ExportOptions(1, tmp_path / "file" / "x"))
    assert sorted(os.listdir(merged)) == before
    assert os.listdir(tmp_path) == ["file"]
