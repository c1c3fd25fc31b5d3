"""E1 against what the published reference implementation computed (`../shared/golden/e1_tiny`)."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file

from e1bind_backbones.e1 import E1ForMaskedLM, encode_rows
from e1bind_backbones.e1.tokens import boundary_mask, encode_row
from e1bind_backbones.packed.attention import AttentionChoice

PATHS = ["auto", "slices", "dense"]
MODELS = ["", "variant_gqa"]


class Golden:
    def __init__(self, folder):
        self.facts = json.loads((folder / "cases.json").read_text())
        self.tensors = load_file(folder / "cases.safetensors")
        self.gradients = load_file(folder / "grads.safetensors")
        self.model = E1ForMaskedLM.from_pretrained(folder)

    def batch(self, case):
        return encode_rows(case["sequences"], remove_x=case["remove_X_tokens"])


@pytest.fixture(scope="module", params=MODELS, ids=["main", "gqa"])
def golden(request, shared):
    return Golden(shared / "golden" / "e1_tiny" / request.param)


def test_tokens_positions_and_labels_are_the_reference_s(golden):
    for case in golden.facts["cases"]:
        batch = golden.batch(case)
        for name, values in batch.items():
            stored = golden.tensors[f"{case['name']}.{'default_labels' if name == 'labels' else name}"]
            assert torch.equal(values, stored), (case["name"], name)
        assert torch.equal(boundary_mask(batch["input_ids"]), golden.tensors[f"{case['name']}.boundary_mask"])
        rows = [encode_row(row, remove_x=case["remove_X_tokens"]) for row in case["sequences"]]
        assert [row.context_len for row in rows] == case["context_len"]


def test_rows_the_reference_refuses_are_refused(golden):
    for row in golden.facts.get("invalid_inputs", []):
        with pytest.raises(ValueError, match=r"sequence|row"):
            encode_row(row)
    for row in golden.facts.get("valid_inputs", []):
        assert len(encode_row(row)) >= 5


@pytest.mark.parametrize("path", [*PATHS, pytest.param("flex", marks=pytest.mark.slow)])
def test_states_logits_and_losses_are_the_reference_s(golden, path):
    golden.model.attention = AttentionChoice(path)
    for case in golden.facts["cases"]:
        batch, name = golden.batch(case), case["name"]
        with torch.no_grad():
            out = golden.model(**batch, output_hidden_states=True)
        real = batch["sequence_ids"] != -1
        for field in ("last_hidden_state", "logits"):
            error = (getattr(out, field) - golden.tensors[f"{name}.{field}"])[real].abs().max()
            assert error < 2e-5, (name, field)
        assert out.loss.item() == pytest.approx(case["loss_with_default_labels"], abs=1e-5)
        if case.get("has_all_hidden_states"):
            stored = golden.tensors[f"{name}.hidden_states"]
            assert (torch.stack(out.hidden_states) - stored)[:, real].abs().max() < 5e-5
        if "mlm_loss" in case:
            labels = golden.tensors[f"{name}.mlm_labels"]
            batch["labels"] = labels
            with torch.no_grad():
                assert golden.model(**batch).loss.item() == pytest.approx(case["mlm_loss"], abs=1e-5)
                only_loss = golden.model(**batch, compute_logits=False)
            assert only_loss.logits is None
            assert only_loss.loss.item() == pytest.approx(case["mlm_loss"], abs=1e-5)


@pytest.mark.parametrize("checkpointing", [False, True], ids=["plain", "checkpointed"])
@pytest.mark.parametrize("path", PATHS)
def test_gradients_are_the_reference_s(golden, path, checkpointing):
    facts, model = golden.facts["gradients"], golden.model
    model.attention = AttentionChoice(path)
    model.model.gradient_checkpointing = checkpointing
    model.train(checkpointing)  # no dropout anywhere, so training mode changes nothing but checkpointing
    case = next(c for c in golden.facts["cases"] if c["name"] == facts["case"])
    batch = golden.batch(case)
    batch["labels"] = golden.tensors[facts["label_tensor"]]
    model.zero_grad()
    model(**batch).loss.backward()
    model.eval()
    gradients = {name: p.grad for name, p in model.named_parameters()}
    for name, stored in golden.gradients.items():
        assert (gradients[name] - stored).abs().max() < 1e-5, name
    assert set(gradients) == set(facts["grad_l2_norm"])
    for name, norm in facts["grad_l2_norm"].items():
        assert gradients[name].norm().item() == pytest.approx(norm, rel=1e-5, abs=1e-8), name
