"""E1 as a backbone: options, view encoding, the ways to run views, adapters."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from pydantic import ValidationError
from weighted import weighted_sum

from e1bind.contracts import Backbone, View
from e1bind.errors import DataError, UserError
from e1bind_backbones.e1 import E1Config, E1ForMaskedLM
from e1bind_backbones.e1.backbone import E1Backbone
from e1bind_backbones.e1.tokens import VOCABULARY
from e1bind_backbones.options import E1Options

EXECUTIONS = ["batched", "shared", "separate", "auto"]


def tiny(**options) -> E1Backbone:
    return E1Backbone(E1Options(random_weights="tiny", **options))


def adapted(backbone, dropout=0.0):
    """The backbone's model under a LoRA that is no longer at its initial zero, in training mode."""
    torch.manual_seed(3)
    config = LoraConfig(r=2, lora_alpha=4, target_modules=list(backbone.lora_targets), lora_dropout=dropout)
    model = get_peft_model(backbone.load_model(), config).train()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0, 0.1)
    return model


@pytest.fixture
def proteins(make_chain, make_view):
    """Views of three proteins by how their contexts relate; V = 3."""

    def build(kind):
        chains = [make_chain(n) for n in ((11, 11, 11) if kind == "equal lengths" else (17, 6, 11))]
        one = (make_chain(9), make_chain(14))
        per_protein = {
            "no context": [[()] * 3] * 3,
            "equal lengths": [[one] * 3] * 3,
            "shared": [[one] * 3, [(make_chain(5),)] * 3, [()] * 3],
            "unequal per view": [[one, (make_chain(7),), ()], [()] * 3, [(make_chain(3),), one, one]],
        }[kind]
        return [
            [make_view(chain, context) for context in contexts]
            for chain, contexts in zip(chains, per_protein, strict=True)
        ]

    return build


def test_it_is_a_backbone():
    backbone = tiny()
    assert isinstance(backbone, Backbone)
    assert backbone.supports_context
    assert backbone.has_mlm_head
    assert backbone.max_residues == 8188
    assert backbone.hidden_size == 64
    assert "random weights" in backbone.description
    names = {name.split(".")[-1] for name, _ in backbone.load_model().named_modules()}
    assert set(backbone.lora_targets) == {"q_proj", "k_proj", "v_proj", "o_proj", "w1", "w2", "w3"} <= names


@pytest.mark.parametrize("kind", ["no context", "equal lengths", "shared", "unequal per view"])
def test_ways_to_run_views_agree_in_embeddings_and_every_adapter_gradient(proteins, kind):
    views = proteins(kind)
    results = {}
    for execution in EXECUTIONS:
        for attention in ("auto", "dense"):
            backbone = tiny(view_execution=execution, attention=attention)
            model, batch = adapted(backbone), backbone.encoder().encode(views)
            embeddings_RVD = backbone.hidden(model, batch)[batch.token_RV]
            weight = torch.randn(embeddings_RVD.shape, generator=torch.Generator().manual_seed(0))
            (embeddings_RVD * weight).sum(-1).mean().backward()
            gradients = {name: p.grad for name, p in model.named_parameters() if p.requires_grad}
            assert all(g is not None and g.abs().sum() > 0 for g in gradients.values())
            results[execution, attention] = embeddings_RVD.detach(), gradients
    reference = results.pop(("separate", "dense"))
    for key, (embeddings, gradients) in results.items():
        assert (embeddings - reference[0]).abs().max() < 1e-5, key
        for name, gradient in gradients.items():
            assert (gradient - reference[1][name]).abs().max() < 1e-5, (key, name)


def test_embeddings_of_a_view_are_those_of_its_row_alone(proteins, oracle):
    """Against the float64 restatement, one string per view: context, then what the view shows."""
    views = proteins("unequal per view")
    backbone = tiny()
    model, batch = backbone.load_model(), backbone.encoder().encode(views)
    with torch.no_grad():
        embeddings_RVD = backbone.hidden(model, batch)[batch.token_RV]
    parameters = {n: p.detach().double() for n, p in model.named_parameters()}
    start = 0
    for protein in views:
        length = len(protein[0].truth)
        for v, view in enumerate(protein):
            row = ",".join((*view.context, view.visible))
            states, _ = oracle.forward(backbone.config.to_dict(), parameters, row)
            expected = states[-1][-2 - length : -2]
            assert (embeddings_RVD[start : start + length, v] - expected).abs().max() < 2e-5
        start += length


def test_views_with_one_context_share_a_row_and_its_tokens(proteins):
    views = proteins("shared")
    tokens = {e: tiny(view_execution=e).encoder().encode(views) for e in EXECUTIONS}
    assert tokens["auto"].inputs["input_ids"].shape[0] == 1 + 1 + 3  # one row each, and three without context
    assert tokens["batched"].inputs["input_ids"].shape[0] == 9
    context = [sum(len(c) + 4 for c in protein[0].context) for protein in views]
    query = [len(protein[0].truth) + 4 for protein in views]
    assert tokens["batched"].tokens == sum(3 * (c + q) for c, q in zip(context, query, strict=True))
    assert tokens["auto"].tokens == tokens["shared"].tokens == sum(context) + 3 * sum(query)
    for batch in tokens.values():
        assert batch.tokens + batch.padding == batch.inputs["input_ids"].numel()


@pytest.mark.parametrize("execution", EXECUTIONS)
def test_token_indices_point_at_each_view_s_residues(proteins, execution):
    views = proteins("unequal per view")
    batch = tiny(view_execution=execution).encoder().encode(views)
    shown_RV = batch.inputs["input_ids"].flatten()[batch.token_RV]
    expected = [[view.visible[r] for view in p] for p in views for r in range(len(p[0].truth))]
    assert [[VOCABULARY[i] for i in row] for row in shown_RV.tolist()] == expected
    truth = "".join(p[0].truth for p in views)
    assert "".join(VOCABULARY[i] for i in batch.target_R.tolist()) == truth
    selected_RV = np.concatenate([np.stack([v.selected for v in p], 1) for p in views])
    assert (batch.visible_RV.numpy() == ~selected_RV).all()


@pytest.mark.parametrize("execution", EXECUTIONS)
def test_padding_holds_0_and_minus_1(proteins, execution):
    inputs = tiny(view_execution=execution).encoder().encode(proteins("shared")).inputs
    padding = inputs["sequence_ids"] == -1
    assert padding.any()
    assert (inputs["input_ids"][padding] == 0).all()
    for name in ("within_seq_position_ids", "global_position_ids", "view_ids"):
        assert (inputs[name][padding] == -1).all()
        assert (inputs[name][~padding] >= 0).all()


def test_positions_of_a_shared_row_restart_after_the_context_for_every_view():
    view = View.unmasked("ACD", ("EF", "G"))
    inputs = tiny().encoder().encode([[view, view]]).inputs
    assert inputs["sequence_ids"].tolist() == [[0] * 6 + [1] * 5 + [2] * 14]
    assert inputs["view_ids"].tolist() == [[0] * 11 + [1] * 7 + [2] * 7]
    assert inputs["global_position_ids"][0, 11:].tolist() == 2 * list(range(11, 18))
    assert inputs["within_seq_position_ids"][0, 11:].tolist() == 2 * list(range(7))


def test_a_chain_masked_from_end_to_end_is_encoded(make_chain):
    batch = tiny().encoder().encode([[View("A", "?", np.ones(1, dtype=bool))]])
    assert batch.inputs["input_ids"].tolist() == [[1, 6, 5, 7, 2]]


def test_the_encoder_survives_pickling(proteins):
    views = proteins("shared")
    encoder = tiny().encoder()
    again = pickle.loads(pickle.dumps(encoder))  # noqa: S301 (our own bytes)
    assert torch.equal(again.encode(views).token_RV, encoder.encode(views).token_RV)
    pickle.loads(pickle.dumps(encoder.encode(views)))  # noqa: S301


@pytest.mark.parametrize(
    ("view", "message"),
    [
        (View.unmasked("AcD"), r"the chain: residue 2 is 'c'"),
        (View.unmasked("ACD", ("A-C",)), r"context sequence 1: residue 2 is '-'"),
        (View.unmasked("A" * 9000), r"the chain has 9000 residues; the model takes 1 to 8188"),
        (View.unmasked("ACD", ("",)), r"context sequence 1 has 0 residues"),
        (View.unmasked("ACD", ("A",) * 512), r"a context of 512 sequences"),
    ],
)
def test_what_the_model_cannot_read_is_refused_in_a_sentence(view, message):
    with pytest.raises(DataError, match=message):
        tiny().encoder().encode([[view]])


def test_views_of_different_chains_are_refused():
    with pytest.raises(ValueError, match="same residues"):
        tiny().encoder().encode([[View.unmasked("ACD"), View.unmasked("ACE")]])
    with pytest.raises(ValueError, match="same number of views"):
        tiny().encoder().encode([[View.unmasked("ACD")], [View.unmasked("ACD")] * 2])


def test_adapters_load_back_on_the_plain_model(proteins, tmp_path):
    views, backbone = proteins("shared"), tiny()
    model, batch = adapted(backbone).eval(), backbone.encoder().encode(views)
    model.save_pretrained(tmp_path)
    again = PeftModel.from_pretrained(backbone.load_model(), tmp_path)
    with torch.no_grad():
        assert torch.equal(backbone.hidden(model, batch), backbone.hidden(again, batch))
        plain = backbone.hidden(backbone.load_model(), batch)
    assert (plain - backbone.hidden(model, batch)).abs().max() > 1e-3


def test_the_head_trains_in_full_on_request_and_is_used(proteins):
    backbone = tiny()
    config = LoraConfig(
        r=2, target_modules=list(backbone.lora_targets), modules_to_save=list(backbone.mlm_head_modules)
    )
    plain = backbone.load_model()
    batch = backbone.encoder().encode(proteins("shared"))
    with torch.no_grad():
        before = backbone.mlm_logits(plain, backbone.hidden(plain, batch)[:5])
    model = get_peft_model(plain, config)
    logits_KC = backbone.mlm_logits(model, backbone.hidden(model, batch)[:5])
    assert torch.allclose(logits_KC, before, atol=1e-6)
    assert logits_KC.shape == (5, 34)
    logits_KC.sum().backward()
    trained = {n for n, p in model.named_parameters() if p.grad is not None and "mlm_head" in n}
    assert len(trained) == 6


def test_logits_of_hidden_states_are_the_model_s_own(proteins):
    backbone = tiny()
    model, batch = backbone.load_model(), backbone.encoder().encode(proteins("unequal per view"))
    with torch.no_grad():
        full = model(**batch.inputs).logits.flatten(0, 1)[batch.token_RV[:, 1]]
        ours = backbone.mlm_logits(model, backbone.hidden(model, batch)[batch.token_RV[:, 1]])
    assert torch.allclose(ours, full, atol=1e-5)


@pytest.mark.parametrize("execution", ["batched", "separate"])
def test_activation_checkpointing_changes_no_gradient_even_under_adapter_dropout(proteins, execution):
    views, gradients = proteins("shared"), []
    for checkpointing in (False, True):
        backbone = tiny(view_execution=execution, activation_checkpointing=checkpointing)
        model = adapted(backbone, dropout=0.3)
        batch = backbone.encoder().encode(views)
        torch.manual_seed(11)
        weighted_sum(backbone.hidden(model, batch)[batch.token_RV]).backward()
        gradients.append({n: p.grad for n, p in model.named_parameters() if p.requires_grad})
    for name, gradient in gradients[0].items():
        assert gradient.abs().sum() > 0
        assert torch.allclose(gradient, gradients[1][name], atol=1e-6), name


def test_separate_views_keep_no_activations(proteins):
    """What a forward pass saves for the backward pass does not grow with the layers of the model."""
    views, saved = proteins("no context"), {}
    for execution in ("batched", "separate"):
        backbone = tiny(view_execution=execution)
        model, batch = adapted(backbone), backbone.encoder().encode(views)
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t, s=sizes: s.append(t.numel()) or t, lambda t: t):
            backbone.hidden(model, batch)
        saved[execution] = sum(sizes)
    assert saved["separate"] < saved["batched"] / 20


def test_dropout_acts_in_training_only(proteins):
    backbone = tiny(dropout=0.5)
    model, batch = backbone.load_model(), backbone.encoder().encode(proteins("no context"))
    plain = backbone.hidden(model, batch)
    assert torch.equal(plain, tiny().hidden(model, batch))
    dropped = backbone.hidden(model.train(), batch)[batch.token_RV]
    assert 0.4 < (dropped == 0).float().mean() < 0.6


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_embeddings_leave_in_fp32_whatever_the_dtype(proteins, dtype):
    backbone = tiny(dtype=dtype)
    model, batch = adapted(backbone), backbone.encoder().encode(proteins("shared"))
    hidden = backbone.hidden(model, batch)
    assert hidden.dtype == torch.float32
    exact = tiny()
    expected = exact.hidden(adapted(exact), batch)
    assert (hidden - expected)[batch.token_RV].abs().max() < 0.1 * expected.abs().max()
    assert backbone.mlm_logits(model, hidden).dtype == torch.float32
    hidden.square().mean().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.requires_grad)


def test_random_weights_depend_on_the_seed_alone():
    state = [tiny(random_seed=seed).load_model().state_dict() for seed in (0, 0, 1)]
    assert all(torch.equal(state[0][n], state[1][n]) for n in state[0])
    assert not torch.equal(state[0]["mlm_head.0.weight"], state[2]["mlm_head.0.weight"])


def test_random_embeddings_show_which_residue_they_are_of(make_chain):
    backbone = tiny()
    batch = backbone.encoder().encode([[View.unmasked(make_chain(80), (make_chain(60),))]])
    with torch.no_grad():
        z = torch.nn.functional.normalize(
            backbone.hidden(backbone.load_model(), batch)[batch.token_RV[:, 0]], dim=1
        )
    similarity, same = z @ z.T, batch.target_R[:, None] == batch.target_R
    same.fill_diagonal_(False)
    assert similarity[same].mean() > 0.8
    assert similarity[~same].mean() < 0.4


@pytest.mark.parametrize("local", [True, False], ids=["folder", "spec string"])
def test_a_checkpoint_loads_from_a_local_folder(tmp_path, proteins, local):
    source = tiny(random_seed=4)
    source.load_model().to(torch.bfloat16).save_pretrained(tmp_path)
    backbone = E1Backbone(E1Options(checkpoint=str(tmp_path)))
    assert "random" not in backbone.description
    model = backbone.load_model()
    assert next(model.parameters()).dtype == torch.float32
    expected = source.load_model().to(torch.bfloat16).float()
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), expected.parameters(), strict=True))


def test_a_checkpoint_with_remote_code_runs_none_of_it(tmp_path):
    tiny().load_model().save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["auto_map"] = {"AutoConfig": "evil.E1Config", "AutoModelForMaskedLM": "evil.E1"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    model = E1Backbone(E1Options(checkpoint=str(tmp_path))).load_model()
    assert type(model) is E1ForMaskedLM
    assert not (tmp_path / "ran").exists()


def test_a_checkpoint_that_is_not_there_is_a_sentence(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match=r"backbone.e1.checkpoint: 'nobody/no-such-e1' is neither a folder"):
        E1Backbone(E1Options(checkpoint="nobody/no-such-e1"))


def test_a_folder_that_is_no_e1_checkpoint_is_a_sentence(tmp_path):
    with pytest.raises(UserError, match=r"has no config.json of a model"):
        E1Backbone(E1Options(checkpoint=str(tmp_path)))
    (tmp_path / "config.json").write_text('{"model_type": "esm"}')
    with pytest.raises(UserError, match=r"model type 'esm', and E1 wants 'E1'.*hf-mlm"):
        E1Backbone(E1Options(checkpoint=str(tmp_path)))
    E1Config(hidden_size=16, num_attention_heads=2, num_key_value_heads=2).save_pretrained(tmp_path)
    with pytest.raises(UserError, match=r"cannot be read"):
        E1Backbone(E1Options(checkpoint=str(tmp_path))).load_model()


def test_a_damaged_checkpoint_is_a_sentence(tmp_path):
    tiny().load_model().save_pretrained(tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(UserError, match=r"cannot be read"):
        E1Backbone(E1Options(checkpoint=str(tmp_path))).load_model()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "`checkpoint`.*`random_weights`"),
        ({"checkpoint": "a/b", "random_weights": "tiny"}, "`checkpoint` and `random_weights` exclude each other"),
        ({"random_weights": "tiny", "revision": "main"}, "`revision`"),
    ],
)
def test_exactly_one_source_of_weights_is_wanted(given, message):
    with pytest.raises(ValidationError, match=message):
        E1Options(**given)


@pytest.mark.parametrize(
    ("size", "count"), [("150m", 154_423_330), ("300m", 274_317_346), ("600m", 641_438_754), ("tiny", None)]
)
def test_random_sizes_are_the_published_shapes(size, count):
    config = E1Backbone(E1Options(random_weights=size)).config
    assert (config.clip_qkv, config.global_attention_every_n_layers, config.rope_theta_global) == (8, 3, 500000.0)
    assert config.num_parameters() == (count or config.num_parameters())
