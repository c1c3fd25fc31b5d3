"""Hugging Face masked language models as backbones, on tiny checkpoints with real tokeniser files."""

from __future__ import annotations

import json
import pickle

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from tiny_checkpoints import BERT_VOCABULARY, ESM_VOCABULARY, write_bert, write_esm
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BertModel,
    BertTokenizer,
    EsmModel,
    EsmTokenizer,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaForMaskedLM,
)
from weighted import weighted_sum

from e1bind.contracts import STANDARD_RESIDUES, Backbone, View
from e1bind.errors import DataError, UserError
from e1bind_backbones.hf_mlm import HfMlmBackbone
from e1bind_backbones.options import HfMlmOptions

WRITERS = {"esm": write_esm, "bert": write_bert}


def build(folder, **options) -> HfMlmBackbone:
    return HfMlmBackbone(HfMlmOptions(checkpoint=str(folder), **options))


@pytest.fixture(params=WRITERS)
def kind(request):
    return request.param


@pytest.fixture
def folder(kind, tmp_path):
    return WRITERS[kind](tmp_path / kind)


@pytest.fixture
def views(make_chain, make_view):
    return [[make_view(chain) for _ in range(3)] for chain in (make_chain(9), make_chain(21), make_chain(4))]


def test_it_is_a_backbone_of_single_chains(folder, kind):
    backbone = build(folder)
    assert isinstance(backbone, Backbone)
    assert (backbone.hidden_size, backbone.has_mlm_head, backbone.supports_context) == (24, True, False)
    assert backbone.max_residues == 62  # ESM: 66 positions, 2 of them unused, 2 special tokens; BERT: 64 and 2
    assert kind in backbone.description
    assert "float32" in backbone.description


def test_every_residue_has_its_own_token_among_the_special_ones(folder, kind, views):
    backbone = build(folder)
    batch = backbone.encoder().encode(views)
    vocabulary = ESM_VOCABULARY if kind == "esm" else BERT_VOCABULARY
    mask = "<mask>" if kind == "esm" else "[MASK]"
    shown = batch.inputs["input_ids"].flatten()[batch.token_RV]
    expected = [[view.visible[r].replace("?", mask) for view in p] for p in views for r in range(len(p[0].truth))]
    assert [[vocabulary[i] for i in row] for row in shown.tolist()] == expected
    assert "".join(vocabulary[i] for i in batch.target_R.tolist()) == "".join(p[0].truth for p in views)
    first = [vocabulary[i] for i in batch.inputs["input_ids"][0]]
    assert [first[0], first[10]] == (["<cls>", "<eos>"] if kind == "esm" else ["[CLS]", "[SEP]"])
    assert batch.tokens == 3 * (9 + 21 + 4 + 3 * 2)
    assert batch.tokens + batch.padding == batch.inputs["input_ids"].numel()


def test_token_rows_are_what_the_tokeniser_itself_writes(folder, kind, make_chain):
    tokenizer = (EsmTokenizer if kind == "esm" else BertTokenizer).from_pretrained(folder)
    chain = make_chain(30) + "XUBZO"
    batch = build(folder).encoder().encode([[View.unmasked(chain)]])
    assert batch.inputs["input_ids"][0].tolist() == tokenizer(" ".join(chain))["input_ids"]


def test_letters_the_vocabulary_lacks_are_read_as_x(folder):
    tokens = build(folder).tokens
    assert tokens.residues["J"] == tokens.residues["X"]
    assert len({tokens.residues[c] for c in STANDARD_RESIDUES + "X"}) == 21


@pytest.mark.parametrize("execution", ["auto", "batched", "separate"])
def test_hidden_states_are_the_model_s_own_row_by_row(folder, views, execution):
    backbone = build(folder, view_execution=execution)
    model, batch = backbone.load_model(), backbone.encoder().encode(views)
    with torch.no_grad():
        hidden_RVD = backbone.hidden(model, batch)[batch.token_RV]
        start = 0
        for protein in views:
            n = len(protein[0].truth)
            for v, view in enumerate(protein):
                row = backbone.encoder().encode([[view]]).inputs["input_ids"]
                alone = model.base_model(row).last_hidden_state[0, 1:-1]
                assert (hidden_RVD[start : start + n, v] - alone).abs().max() < 1e-5
            start += n


def test_logits_of_hidden_states_are_the_model_s_own(folder, views):
    backbone = build(folder)
    model, batch = backbone.load_model(), backbone.encoder().encode(views)
    with torch.no_grad():
        ours = backbone.mlm_logits(model, backbone.hidden(model, batch))
        inputs = {name: batch.inputs[name] for name in ("input_ids", "attention_mask")}
        theirs = model(**inputs).logits.flatten(0, 1)
    real = inputs["attention_mask"].flatten().bool()
    assert torch.allclose(ours[real], theirs[real], atol=1e-5)


def test_a_loaded_model_computes_what_the_saved_one_did(kind, tmp_path):
    """transformers 5 loads on the meta device, where tables that are not saved may stay garbage."""
    kept = []
    folder = WRITERS[kind](tmp_path / "saved", keep=kept.append)
    ids = torch.tensor([[2, *range(5, 20), 3]])
    with torch.no_grad():
        assert torch.equal(build(folder).load_model()(ids).logits, kept[0].eval()(ids).logits)


def test_adapters_sit_on_attention_and_feed_forward_and_load_back(folder, views, tmp_path):
    backbone = build(folder)
    assert backbone.lora_targets == (
        "attention.output.dense", "attention.self.key", "attention.self.query", "attention.self.value",
        "intermediate.dense", "output.dense",
    )  # fmt: skip
    config = LoraConfig(r=2, target_modules=list(backbone.lora_targets), init_lora_weights=False)
    model, batch = get_peft_model(backbone.load_model(), config), backbone.encoder().encode(views)
    adapted = [name for name, _ in model.named_parameters() if "lora_A" in name]
    assert len(adapted) == 2 * 6
    assert all(".layer." in name for name in adapted)
    hidden = backbone.hidden(model.eval(), batch)
    model.save_pretrained(tmp_path / "adapter")
    again = PeftModel.from_pretrained(backbone.load_model(), tmp_path / "adapter")
    assert torch.equal(backbone.hidden(again, batch), hidden)
    assert (backbone.hidden(backbone.load_model(), batch) - hidden).abs().max() > 1e-3


WAYS = [(execution, checkpointing) for checkpointing in (False, True) for execution in ("batched", "separate")]


def adapter_gradients(backbone, network, views):
    """Of a weighted sum of the residues' states."""
    batch = backbone.encoder().encode(views)
    network.zero_grad()
    weighted_sum(backbone.hidden(network, batch)[batch.token_RV]).backward()
    return {n: p.grad.clone() for n, p in network.named_parameters() if p.requires_grad}


def adapted(backbone):
    torch.manual_seed(1)
    config = LoraConfig(r=2, target_modules=list(backbone.lora_targets), init_lora_weights=False)
    return get_peft_model(backbone.load_model(), config).train()


def alike(one, other):
    assert one.keys() == other.keys()
    for name, gradient in one.items():
        assert gradient.abs().max() > 1e-3, name
        assert (gradient - other[name]).abs().max() < 1e-5 * gradient.abs().max(), name


def test_ways_to_run_views_agree_in_every_adapter_gradient(folder, views):
    results = []
    for execution, checkpointing in WAYS:
        backbone = build(folder, view_execution=execution, activation_checkpointing=checkpointing)
        results.append(adapter_gradients(backbone, adapted(backbone), views))
    for other in results[1:]:
        alike(results[0], other)


def test_layers_that_cannot_keep_less_are_told_where_that_was_asked_for_and_left_alone_where_not(
    folder, views, monkeypatch
):
    backbone = build(folder)
    backbone.packs = False
    network = adapted(backbone)
    monkeypatch.setattr(type(network.get_base_model()), "supports_gradient_checkpointing", False)
    plain = adapter_gradients(backbone, network, views)
    update = {"view_execution": "separate", "activation_checkpointing": True}
    other = backbone.adjusted(network, backbone.options.model_copy(update=update))
    alike(plain, adapter_gradients(other, network, views))
    with pytest.raises(
        UserError, match=r"backbone.hf-mlm.activation_checkpointing: layers of a .* cannot keep less"
    ):
        build(folder, activation_checkpointing=True).load_model()


@pytest.mark.parametrize("packs", [True, False])
def test_a_loaded_model_may_be_set_up_for_another_way_and_back(folder, views, packs):
    backbone = build(folder)
    backbone.packs = backbone.packs and packs
    network = adapted(backbone)
    plain = adapter_gradients(backbone, network, views)
    for execution, checkpointing in [*WAYS, ("auto", "auto")]:
        update = {"view_execution": execution, "activation_checkpointing": checkpointing}
        other = backbone.adjusted(network, backbone.options.model_copy(update=update))
        assert other.packs == backbone.packs
        checkpoints = [getattr(module, "gradient_checkpointing", False) for module in network.modules()]
        assert any(checkpoints) is (checkpointing is True)
        alike(plain, adapter_gradients(other, network, views))


def test_the_head_trains_in_full_on_request(folder, views):
    backbone = build(folder)
    targets, head = list(backbone.lora_targets), list(backbone.mlm_head_modules)
    model = get_peft_model(backbone.load_model(), LoraConfig(r=2, target_modules=targets, modules_to_save=head))
    batch = backbone.encoder().encode(views)
    backbone.mlm_logits(model, backbone.hidden(model, batch)[:4]).square().mean().backward()
    assert any("modules_to_save" in name and p.grad is not None for name, p in model.named_parameters())


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_embeddings_leave_in_fp32_whatever_the_dtype(folder, views, dtype):
    backbone = build(folder, dtype=dtype)
    model, batch = backbone.load_model(), backbone.encoder().encode(views)
    assert next(model.parameters()).dtype == getattr(torch, dtype)
    hidden = backbone.hidden(model, batch)
    assert hidden.dtype == backbone.mlm_logits(model, hidden[:3]).dtype == torch.float32


@pytest.mark.parametrize(
    ("writer", "model_class"), [(write_esm, EsmModel), (write_bert, BertModel)], ids=["esm", "bert"]
)
def test_an_encoder_without_a_head_works_until_logits_are_wanted(tmp_path, views, writer, model_class):
    backbone = build(writer(tmp_path / "encoder", model_class))
    assert not backbone.has_mlm_head
    assert backbone.mlm_head_modules == ()
    assert "attention.self.query" in backbone.lora_targets
    model, batch = backbone.load_model(), backbone.encoder().encode(views)
    hidden = backbone.hidden(model, batch)
    assert all("pooler" not in name for name, _ in model.named_parameters())
    with pytest.raises(UserError, match="has no masked-LM head"):
        backbone.mlm_logits(model, hidden[:2])


def test_a_roberta_shaped_model_and_its_position_offset(tmp_path, views):
    folder = write_bert(tmp_path / "roberta")
    config = RobertaConfig(
        vocab_size=len(BERT_VOCABULARY), hidden_size=24, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=26, pad_token_id=0,
    )  # fmt: skip
    RobertaForMaskedLM(config).save_pretrained(folder)
    backbone = build(folder)
    assert backbone.max_residues == 26 - 1 - 2
    longest = [[View.unmasked("A" * 23)]]
    assert backbone.hidden(backbone.load_model(), backbone.encoder().encode(longest)).shape == (25, 24)


def write_bpe(folder, merges):
    """A byte-pair tokeniser over residues beside a BERT-shaped model."""
    write_bert(folder)
    letters = [*BERT_VOCABULARY, *("".join(m) for m in merges)]
    tokenizer = Tokenizer(models.BPE({t: i for i, t in enumerate(letters)}, merges, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", mask_token="[MASK]", pad_token="[PAD]", cls_token="[CLS]",
        sep_token="[SEP]",
    )  # fmt: skip
    fast.save_pretrained(folder)
    return folder


def test_a_tokeniser_that_merges_residues_is_refused(tmp_path):
    with pytest.raises(UserError, match="does not give every residue a token of its own"):
        build(write_bpe(tmp_path / "merging", [("A", "C"), ("V", "W")]))
    assert build(write_bpe(tmp_path / "plain", [])).tokens.special == 2


def test_a_tokeniser_that_marks_residues_by_place_is_refused(tmp_path):
    pieces = [*BERT_VOCABULARY, *(f"##{c}" for c in STANDARD_RESIDUES)]
    with pytest.raises(UserError, match=r"does not give every residue|differently by where it stands"):
        build(write_bert(tmp_path / "pieces", vocabulary=pieces))


def test_a_tokeniser_that_knows_no_residues_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"it reads ACDEFG\.\.\. as \[CLS\] \[UNK\]"):
        build(write_bert(tmp_path / "lower", lower=True))


def test_a_tokeniser_without_a_mask_is_refused(tmp_path):
    folder = write_bpe(tmp_path / "no-mask", [])
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config["mask_token"] = None
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="has no mask token"):
        build(folder)


def test_contexts_unknown_characters_and_long_chains_are_refused(folder):
    encoder = build(folder, max_residues=5).encoder()
    with pytest.raises(DataError, match="single chains"):
        encoder.encode([[View.unmasked("ACD", ("ACE",))]])
    with pytest.raises(DataError, match="residue 2 is 'c'"):
        encoder.encode([[View.unmasked("AcD")]])
    with pytest.raises(DataError, match="6 residues; the model takes 1 to 5"):
        encoder.encode([[View.unmasked("ACDEFG")]])


def test_more_residues_than_positions_are_refused(folder):
    with pytest.raises(UserError, match=r"max_residues is 63, but .* takes 62"):
        build(folder, max_residues=63)


def test_a_model_that_is_no_masked_language_model_is_refused(tmp_path):
    folder = write_bert(tmp_path / "other")
    (folder / "config.json").write_text(json.dumps({"model_type": "gpt2", "n_embd": 8, "n_layer": 1, "n_head": 1}))
    with pytest.raises(UserError, match="'gpt2' model, not an encoder masked language model"):
        build(folder)


def test_an_e1_checkpoint_is_sent_to_its_own_backbone(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "E1", "hidden_size": 64}))
    with pytest.raises(UserError, match=r"is an E1 model; it goes through \[backbone.e1\]"):
        build(tmp_path)


def test_a_checkpoint_that_lacks_parameters_is_refused(tmp_path):
    folder = write_esm(tmp_path / "esm", EsmModel)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "architectures": ["EsmForMaskedLM"]}))
    with pytest.raises(UserError, match=r"lacks .* parameters"):
        build(folder).load_model()


def test_remote_code_runs_only_when_the_spec_turns_it_on(tmp_path, monkeypatch):
    folder = write_bert(tmp_path / "remote")
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "home-made", "auto_map": {"AutoConfig": "code.C", "AutoModelForMaskedLM": "code.M"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(UserError, match="trust_remote_code"):
        build(folder)
    assert not (tmp_path / "ran").exists()
    home_made = (
        "from transformers import BertConfig, BertForMaskedLM\n"
        "class C(BertConfig):\n    model_type = 'home-made'\n"
        "class M(BertForMaskedLM):\n    config_class = C\n"
    )
    (folder / "code.py").write_text(home_made)
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    model = build(folder, trust_remote_code=True).load_model()
    assert type(model).__module__.startswith("transformers_modules")


def test_a_checkpoint_that_is_not_there_is_a_sentence(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match=r"backbone.hf-mlm.checkpoint: 'nobody/no-such-model' is neither a folder"):
        build("nobody/no-such-model")


def test_the_encoder_survives_pickling(folder, views):
    encoder = build(folder).encoder()
    again = pickle.loads(pickle.dumps(encoder))  # noqa: S301 (our own bytes)
    assert torch.equal(again.encode(views).token_RV, encoder.encode(views).token_RV)
