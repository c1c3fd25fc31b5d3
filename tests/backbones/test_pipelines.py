"""Both backbones through the whole pipeline: spec, training, report, adapters on the plain model."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from peft import PeftModel
from small_runs import train_once
from tiny_checkpoints import write_esm
from transformers import EsmForMaskedLM, EsmModel

from e1bind.engine.pipeline import build_pipeline
from e1bind.errors import SpecError, UserError
from e1bind.spec import load_spec
from e1bind.workflow import train
from e1bind_backbones.e1 import E1ForMaskedLM, encode_rows
from e1bind_backbones.e1.backbone import E1Backbone
from e1bind_backbones.options import E1Options

SPEC = """\
schema_version = 1
[run]
output_dir = "results"
threads = 1
[data.fasta3]
train = "{data}/{{ion}}_train.fasta"
{more_data}
[cv]
folds = 2
groups = "{data}/clusters.tsv"
{backbone}
[lora]
r = 2
alpha = 4
[views.masked]
num_variants = 2
[losses.nt-xent]
[losses.prototype-alignment]
[losses.prototype-bce]
[losses.mlm]
weight = {mlm}
[training]
ions = ["ZN"]
epochs = 2
warmup_epochs = 1
learning_rate = 1e-2
accum_steps = 1
max_residues = 60
window_overlap = 8
[metrics]
compute = ["auprc", "hra"]
"""
ADAPTER = "best_e1_contrastive_model_lora"


@pytest.fixture
def write_spec(tmp_path, root):
    def write(backbone, more_data="", mlm=0.1):
        path = tmp_path / "spec.toml"
        data = root / "examples" / "data"
        path.write_text(SPEC.format(data=data, backbone=backbone, more_data=more_data, mlm=mlm))
        return path

    return write


def hf(folder, more=""):
    return f'[backbone.hf-mlm]\ncheckpoint = "{folder}"\n{more}'


@pytest.mark.slow
def test_an_esm_2_shaped_checkpoint_trains_and_its_adapters_load_on_the_plain_model(write_spec, tmp_path):
    folder = write_esm(tmp_path / "esm")
    path = write_spec(hf(folder))
    run = train(load_spec(path), path).run.path
    assert (run / "report.html").stat().st_size > 10_000
    with np.load(run / "oof_preds.npz") as table:
        assert len(table["probability"]) > 1000
    ids = torch.tensor([[0, *range(4, 24), 2]])
    plain = EsmForMaskedLM.from_pretrained(folder)
    with torch.no_grad():
        before = plain(ids).logits
        for fold in (1, 2):
            adapted = PeftModel.from_pretrained(
                EsmForMaskedLM.from_pretrained(folder), run / f"fold_{fold}" / ADAPTER
            )
            assert (adapted(ids).logits - before).abs().max() > 1e-4


@pytest.mark.slow
def test_e1_trains_with_contexts_from_a_checkpoint_folder(write_spec, tmp_path, root, caplog):
    folder = tmp_path / "e1"
    E1Backbone(E1Options(random_weights="tiny")).load_model().save_pretrained(folder)
    (tmp_path / "msa").mkdir()
    lines = (root / "examples" / "data" / "ZN_train.fasta").read_text().splitlines()
    for header, chain in list(zip(lines[::3], lines[1::3], strict=True))[:5]:
        name = header[1:].split()[0]
        relatives = (chain[::-1], "A" * len(chain), chain[:5] + "-" * (len(chain) - 5))
        rows = [f">{i}\n{row}\n" for i, row in enumerate((chain, *relatives))]
        (tmp_path / "msa" / f"{name}.a3m").write_text("".join(rows))
    path = write_spec(f'[backbone.e1]\ncheckpoint = "{folder}"', 'msa_dir = "msa"')
    with caplog.at_level(logging.INFO):
        run = train_once(tmp_path, path.read_text()).run.path
    assert "5 of 13 chains have an alignment" in caplog.text
    assert "chains are longer than 60 residues" in caplog.text
    batch = encode_rows(["ACDEFG,HIKLM"])
    plain = E1ForMaskedLM.from_pretrained(folder)
    with torch.no_grad():
        before = plain(**batch).logits
        adapted = PeftModel.from_pretrained(plain, run / "fold_1" / ADAPTER)
        assert (adapted(**batch).logits - before).abs().max() > 1e-4


def test_an_encoder_without_a_head_is_refused_only_where_a_loss_needs_it(write_spec, tmp_path):
    folder = write_esm(tmp_path / "encoder", EsmModel)
    with pytest.raises(
        UserError, match=r"losses.mlm needs a masked-LM head, and backbone.hf-mlm's checkpoint has none"
    ):
        build_pipeline(load_spec(write_spec(hf(folder))))
    assert not build_pipeline(load_spec(write_spec(hf(folder), mlm=0))).backbone.has_mlm_head


def test_alignments_are_refused_where_the_backbone_reads_no_contexts(write_spec, tmp_path):
    folder = write_esm(tmp_path / "esm")
    with pytest.raises(SpecError) as caught:
        load_spec(write_spec(hf(folder), 'msa_dir = "msa"'))
    (problem,) = caught.value.problems
    assert problem.path == "data.fasta3"
    assert "a backbone that reads MSA contexts" in problem.message
    assert "backbone.hf-mlm" in problem.message
    load_spec(write_spec('[backbone.e1]\nrandom_weights = "tiny"', 'msa_dir = "msa"'))


def test_windows_of_a_short_sighted_backbone_must_be_longer_than_their_overlap(write_spec, tmp_path):
    path = write_spec(hf(write_esm(tmp_path / "esm"), "max_residues = 8"))
    with pytest.raises(UserError, match=r"training.window_overlap is 8, and a chain of \d+ residues"):
        train(load_spec(path), path)


def test_homologues_beyond_the_backbone_s_limit_stay_out_of_its_contexts(write_spec):
    pipeline = build_pipeline(load_spec(write_spec('[backbone.e1]\nrandom_weights = "tiny"')))
    assert pipeline.train_contexts.longest == pipeline.validation_contexts.longest == 8188
