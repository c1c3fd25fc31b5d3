"""No memory left outside the training step: what was being done, and what to lower."""

from __future__ import annotations

import pytest
import torch
from small_runs import train_once

from e1bind.engine import crossval
from e1bind.engine.guards import out_of_memory
from e1bind.errors import RunError
from e1bind.inference import ensemble as ensemble_module
from e1bind_cli.app import run


def hungry(monkeypatch, module, when) -> None:
    """The backbone asks for a petabyte where `when(model)` says so: a real refusal of the allocator."""
    build = module.build_pipeline

    def building(spec, msa_cache=None):
        pipeline = build(spec, msa_cache)
        hidden = pipeline.backbone.hidden

        def greedy(model, tokens):
            if when(model):
                torch.empty(2**50, dtype=torch.float32)
            return hidden(model, tokens)

        monkeypatch.setattr(pipeline.backbone, "hidden", greedy)
        return pipeline

    monkeypatch.setattr(module, "build_pipeline", building)


def test_while_prototypes_are_made(tmp_path, spec_text, monkeypatch):
    hungry(monkeypatch, crossval, lambda model: not model.training)
    with pytest.raises(RunError, match=r"out of memory at ZN, .*training\.batch_size.*max_residues"):
        train_once(tmp_path, spec_text)


def test_in_validation(tmp_path, spec_text, monkeypatch):
    trained = []

    def in_validation(model) -> bool:
        trained.append(model.training)
        return any(trained) and not model.training

    hungry(monkeypatch, crossval, in_validation)
    with pytest.raises(RunError, match=r"out of memory at ZN, .*training\.batch_size .*msa\.validation"):
        train_once(tmp_path, spec_text)


def test_in_the_optimizer(tmp_path, spec_text, monkeypatch):
    step = torch.optim.AdamW.step
    monkeypatch.setattr(torch.optim.AdamW, "step", lambda self: (torch.empty(2**50), step(self)))
    with pytest.raises(RunError, match=r"out of memory taking an optimizer step: .*lora\.r"):
        train_once(tmp_path, spec_text)


def test_in_predict(finished, tmp_path, monkeypatch, capsys):
    hungry(monkeypatch, ensemble_module, lambda model: True)
    source = tmp_path / "in.fasta"
    source.write_text(">a\nMKVHC\n")
    assert run(["predict", str(finished.run.path), str(source), "-o", str(tmp_path / "o.csv")]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "out of memory at a batch of" in said
    assert "lower --max-tokens" in said
    assert not (tmp_path / "o.csv").exists()


def test_other_errors_of_torch_are_not_taken_for_it():
    assert not out_of_memory(RuntimeError("shapes cannot be multiplied"))
    assert out_of_memory(MemoryError())
