"""E1 as a Hugging Face model: checkpoints, dtypes, limits, labels, checkpointing."""

from __future__ import annotations

import json
import logging

import pytest
import torch
from safetensors.torch import load_file, save_file

from e1bind_backbones.e1 import E1Config, E1ForMaskedLM, encode_rows
from e1bind_backbones.packed.attention import AttentionChoice

ROWS = ["MKV,ACDB,XX?W", "ACDEFG"]


def test_a_saved_model_loads_back_with_the_same_numbers(loud_model, tmp_path):
    model = loud_model()
    model.save_pretrained(tmp_path)
    again = E1ForMaskedLM.from_pretrained(tmp_path)
    batch = encode_rows(ROWS)
    assert torch.equal(model(**batch).logits, again(**batch).logits)
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] == "E1"
    assert not again.training


def test_a_sharded_checkpoint_loads(loud_model, tmp_path):
    model = loud_model()
    model.save_pretrained(tmp_path, max_shard_size="10KB")
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 1
    again = E1ForMaskedLM.from_pretrained(tmp_path)
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), again.parameters(), strict=True))
    for shard in list(tmp_path.glob("model-*.safetensors"))[:1]:
        shard.unlink()
    with pytest.raises(OSError, match="model-"):
        E1ForMaskedLM.from_pretrained(tmp_path)


def test_a_re_upload_with_more_in_its_config_is_the_same_model(loud_model, tmp_path):
    model = loud_model()
    model.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    more = {
        "auto_map": {"AutoModel": "modeling.E1"},
        "attn_backend": "flex",
        "use_cache": True,
        "torch_dtype": "float32",
    }
    (tmp_path / "config.json").write_text(json.dumps({**config, **more}))
    batch = encode_rows(ROWS)
    assert torch.equal(E1ForMaskedLM.from_pretrained(tmp_path)(**batch).logits, model(**batch).logits)


def test_weights_load_in_the_dtype_that_is_asked_for(loud_model, tmp_path):
    model = loud_model().to(torch.bfloat16)
    model.save_pretrained(tmp_path)
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        again = E1ForMaskedLM.from_pretrained(tmp_path, dtype=dtype)
        assert {p.dtype for p in again.parameters()} == {dtype}
        assert again(**encode_rows(ROWS)).logits.dtype == torch.float32


def test_nothing_but_parameters_is_in_the_state_dict(loud_model):
    model = loud_model()
    assert set(model.state_dict()) == {name for name, _ in model.named_parameters()}
    assert list(model.buffers()) == []  # transformers 5 would leave an unsaved one as garbage


def test_parameter_names_shapes_and_counts_are_the_published_ones():
    config = E1Config(
        hidden_size=768, intermediate_size=2304, num_hidden_layers=20, num_attention_heads=12,
        num_key_value_heads=12, gated_mlp=True,
    )  # fmt: skip
    with torch.device("meta"):
        model = E1ForMaskedLM(config)
    state = model.state_dict()
    assert len(state) == 189
    assert sum(p.numel() for p in model.parameters()) == config.num_parameters() == 154_423_330
    layer = "model.layers.7."
    assert state[layer + "norm_attn_norm.self_attn.q_proj.weight"].shape == (768, 768)
    assert state[layer + "ffn.mlp.w2.weight"].shape == (768, 2304)
    assert state["mlm_head.3.weight"].shape == (34, 768)


@pytest.mark.parametrize(
    ("hidden", "layers", "heads", "count"), [(1024, 20, 16, 274_317_346), (1280, 30, 20, 641_438_754)]
)
def test_the_larger_published_shapes_have_the_published_counts(hidden, layers, heads, count):
    config = E1Config(
        hidden_size=hidden, intermediate_size=None, num_hidden_layers=layers, num_attention_heads=heads,
        num_key_value_heads=None, gated_mlp=True,
    )  # fmt: skip
    assert config.num_parameters() == count


@pytest.mark.parametrize("change", ["missing", "unexpected"])
def test_a_checkpoint_with_other_parameters_is_an_error(loud_model, tmp_path, change):
    loud_model().save_pretrained(tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    if change == "missing":
        del state["model.layers.1.ffn.mlp.w3.weight"]
    else:
        state["model.layers.9.ffn.mlp.w3.weight"] = torch.zeros(2)
    save_file(state, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=rf"1 {change} parameters \(model.layers.\d.ffn.mlp.w3.weight\)"):
        E1ForMaskedLM.from_pretrained(tmp_path)


def test_a_checkpoint_of_another_width_is_an_error(loud_model, tmp_path):
    loud_model().save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "intermediate_size": 44}))
    with pytest.raises(RuntimeError, match="mismatch"):
        E1ForMaskedLM.from_pretrained(tmp_path)


def test_a_published_config_with_unknown_keys_is_accepted(tmp_path):
    published = {
        "architectures": ["E1ForMaskedLM"], "auto_map": {"AutoModel": "modeling.E1"}, "attn_backend": "flex",
        "clip_qkv": 8, "dtype": "bfloat16", "gated_mlp": True, "hidden_size": 768, "intermediate_size": 2304,
        "model_type": "E1", "num_attention_heads": 12, "num_hidden_layers": 20, "num_key_value_heads": 12,
        "global_attention_every_n_layers": 3, "rope_theta_global": 500000.0, "use_cache": True, "vocab_size": 34,
        "transformers_version": "4.56.2", "tie_word_embeddings": False,
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(published))
    config = E1Config.from_pretrained(tmp_path)
    assert (config.clip_qkv, config.rope_theta_global, config.num_parameters()) == (8, 500000.0, 154_423_330)
    assert [i for i in range(20) if config.is_global(i)] == [2, 5, 8, 11, 14, 17]


def test_marker_ids_come_from_the_vocabulary(caplog):
    with caplog.at_level(logging.WARNING):
        config = E1Config(pad_token_id=33)
    assert config.pad_token_id == 0
    assert "ignored" in caplog.text


@pytest.mark.parametrize(
    "change",
    [
        {"clip_qkv": 0},
        {"num_attention_heads": 7},
        {"num_key_value_heads": 3},
        {"global_attention_every_n_layers": -1},
    ],
)
def test_an_impossible_shape_is_refused(change):
    with pytest.raises(ValueError, match=r"clip_qkv|head|global"):
        E1Config(**{"hidden_size": 48, "num_attention_heads": 4, "num_key_value_heads": 4, **change})


def test_labels_of_0_and_minus_100_are_ignored_in_the_divisor_too(loud_model):
    model, batch = loud_model(), encode_rows(["ACDEFG"])
    losses = []
    for ignore in (0, -100):
        labels = torch.full_like(batch["input_ids"], ignore)
        labels[0, 3] = 12
        batch["labels"] = labels
        losses.append(model(**batch).loss)
    logits = model(**batch).logits[0, 3]
    assert torch.allclose(torch.stack(losses), torch.nn.functional.cross_entropy(logits, torch.tensor(12)))


@pytest.mark.parametrize("compute_logits", [True, False])
def test_no_label_at_all_is_a_zero_loss_with_a_graph(loud_model, compute_logits):
    model, batch = loud_model(), encode_rows(["ACDEFG"])
    batch["labels"].zero_()
    loss = model(**batch, compute_logits=compute_logits).loss
    loss.backward()
    assert loss.item() == 0
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in model.parameters())


def test_logits_are_left_out_on_request(loud_model):
    model, batch = loud_model(), encode_rows(ROWS)
    del batch["labels"]
    out, full = model(**batch, compute_logits=False), model(**batch)
    assert (out.logits, out.loss, out.hidden_states) == (None, None, None)
    assert torch.equal(out.last_hidden_state, full.last_hidden_state)


def test_positions_and_sequences_beyond_the_model_s_are_refused(loud_model):
    model = loud_model(max_num_positions_within_seq=8, max_num_sequences=2)
    assert model(**encode_rows(["ACDE,ACDE"])).logits.shape == (1, 16, 34)
    with pytest.raises(ValueError, match="a sequence may have 4 residues"):
        model(**encode_rows(["ACDEF"]))
    with pytest.raises(ValueError, match="a row may hold 2 sequences; got 3"):
        model(**encode_rows(["A,C,D"]))


def test_rows_out_of_order_are_refused(loud_model):
    batch = encode_rows(["AC,DE"])
    batch["sequence_ids"] = batch["sequence_ids"].flip(1)
    with pytest.raises(ValueError, match="must not decrease"):
        loud_model()(**batch)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_stays_near_fp32_and_scores_are_fp32(loud_model, dtype):
    model, batch = loud_model(), encode_rows(ROWS)
    exact = model(**batch).logits
    half = model.to(dtype)(**batch)
    assert half.last_hidden_state.dtype == dtype
    assert half.logits.dtype == torch.float32
    assert (half.logits - exact).abs().max() < 0.05 * exact.abs().max()


@pytest.mark.parametrize("path", ["auto", "slices", "dense"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_cpu_autocast_runs_forward_and_backward(loud_model, dtype, path):
    model, batch = loud_model(), encode_rows(ROWS)
    exact = model(**batch).logits
    model.attention = AttentionChoice(path)
    with torch.autocast("cpu", dtype=dtype):
        out = model(**batch)
    out.loss.backward()
    assert out.last_hidden_state.dtype == dtype
    assert (out.logits - exact).abs().max() < 0.05 * exact.abs().max()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_checkpointing_reaches_adapters_below_frozen_embeddings(loud_model):
    """Re-entrant checkpointing would leave every adapter without a gradient and print a normal loss."""
    from peft import LoraConfig, get_peft_model

    batch, gradients = encode_rows(ROWS), []
    for enable in (False, True):
        torch.manual_seed(0)
        plain = loud_model()
        if enable:
            plain.gradient_checkpointing_enable({"use_reentrant": True})  # a caller's wrong wish has no effect
        model = get_peft_model(plain, LoraConfig(target_modules=["q_proj", "w2"], init_lora_weights=False)).train()
        model(**batch).loss.backward()
        trainable = {n: p.grad for n, p in model.named_parameters() if p.requires_grad}
        assert all(g is not None and torch.isfinite(g).all() and g.abs().sum() > 0 for g in trainable.values())
        gradients.append(trainable)
    assert gradients[0].keys() == gradients[1].keys()
    assert all(torch.allclose(gradients[0][n], gradients[1][n], atol=1e-6) for n in gradients[0])


def test_fresh_weights_follow_the_stated_initialisation():
    torch.manual_seed(0)
    shape = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 4}
    model = E1ForMaskedLM(E1Config(intermediate_size=128, **shape))
    assert model.model.embed_tokens.weight[0].abs().sum() == 0
    assert model.model.layers[0].ffn.mlp.w1.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert model.mlm_head[0].bias.abs().sum() == 0
    assert (model.model.norm.weight == 1).all()


@pytest.mark.parametrize("cadence", [0, 1, 3])
@pytest.mark.parametrize("attention", ["auto", "slices"])
def test_last_sequences_alone_have_the_states_they_have_beside_all_others(loud_model, cadence, attention) -> None:
    """Where they are wanted, and zero elsewhere; earlier sequences pass no layer that nobody needs them in."""
    model = loud_model(global_attention_every_n_layers=cadence).eval()
    model.attention = AttentionChoice(attention)
    batch = encode_rows(["MKVL,ACDEF,MK?LA", "WWY", "AC,ACDEF"])
    inputs = {name: batch[name] for name in batch if name != "labels"}
    counted: list[int] = []
    watched = model.model.layers[-1].ffn.register_forward_hook(lambda _, __, out: counted.append(len(out)))
    found = {}
    for last_only in (False, True):
        model.zero_grad()
        state = model(**inputs, last_only=last_only).last_hidden_state
        sequence = inputs["sequence_ids"]
        is_last = (sequence >= 0) & (sequence == sequence.max(1, keepdim=True).values)
        state[is_last].square().sum().backward()
        gradients = {n: p.grad for n, p in model.model.named_parameters() if p.grad is not None}
        found[last_only] = state.detach(), gradients
    watched.remove()
    assert torch.allclose(found[True][0][is_last], found[False][0][is_last], atol=1e-5)
    assert not found[True][0][~is_last].any()
    assert counted == [int((sequence >= 0).sum()), int(is_last.sum())]
    assert found[True][1].keys() == found[False][1].keys()
    assert all(torch.allclose(g, found[False][1][n], rtol=1e-4, atol=1e-4) for n, g in found[True][1].items())
