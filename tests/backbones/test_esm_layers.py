"""ESM-2's layers on packed tokens, beside transformers' own forward pass of the same modules."""

from __future__ import annotations

from unittest import mock

import pytest
import torch
from peft import LoraConfig, get_peft_model
from tiny_checkpoints import write_bert, write_esm
from torch import nn
from torch.nn import functional as F

from e1bind.engine.lora_linear import use_one_operation
from e1bind_backbones import esm_layers
from e1bind_backbones.hf_mlm import HfMlmBackbone
from e1bind_backbones.options import HfMlmOptions
from e1bind_backbones.packed.attention import attend_padded


def build(folder, **options) -> HfMlmBackbone:
    return HfMlmBackbone(HfMlmOptions(checkpoint=str(folder), **options))


@pytest.fixture
def backbone(tmp_path):
    return build(write_esm(tmp_path / "esm"))


@pytest.fixture
def batch(backbone, make_chain, make_view):
    """Three chains of unlike length, three views each, so with padding."""
    return backbone.encoder().encode(
        [[make_view(chain) for _ in range(3)] for chain in map(make_chain, (9, 21, 4))]
    )


def own_states(backbone, network, batch):
    """Hidden states [R, V, D] by transformers' forward pass."""
    backbone.packs = False
    found = backbone.hidden(network, batch)[batch.token_RV]
    backbone.packs = True
    return found


def adapted(backbone) -> nn.Module:
    torch.manual_seed(0)
    lora = LoraConfig(r=3, lora_alpha=6, target_modules=list(backbone.lora_targets))
    network = get_peft_model(backbone.load_model(), lora)
    for name, parameter in network.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(parameter, std=0.3)
    use_one_operation(network)
    return network


def test_states_and_gradients_are_those_of_transformers(backbone, batch):
    network = adapted(backbone)
    trained = [p for p in network.parameters() if p.requires_grad]
    weight = torch.randn((*batch.token_RV.shape, 24), generator=torch.Generator().manual_seed(1))
    found = []
    for states in (backbone.hidden(network, batch)[batch.token_RV], own_states(backbone, network, batch)):
        found.append([states, *torch.autograd.grad((states * weight).sum(), trained)])
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-5)


def test_padded_rows_give_the_same_where_a_gpu_has_no_kernel_for_packed_ones(backbone, batch):
    network = backbone.load_model()
    with torch.no_grad():
        packed = backbone.hidden(network, batch)[batch.token_RV]
        padded = esm_layers._Rows.padded(batch.inputs["attention_mask"])
        with mock.patch.object(esm_layers._Rows, "real", return_value=padded):
            assert (backbone.hidden(network, batch)[batch.token_RV] - packed).abs().max() < 1e-5
    q, k, v = torch.randn(3, 2 * 5, 2, 8, generator=torch.Generator().manual_seed(2))
    mask = torch.tensor([[1, 1, 1, 0, 0], [1] * 5]).bool()
    alone = F.scaled_dot_product_attention(*(x[:3].transpose(0, 1)[None] for x in (q, k, v)))
    assert torch.allclose(attend_padded(mask)(q, k, v)[:3], alone[0].transpose(0, 1), atol=1e-6)


@pytest.mark.parametrize("options", [{"view_execution": "separate"}, {"activation_checkpointing": True}])
def test_ways_to_save_memory_change_no_gradient(tmp_path, make_chain, make_view, options):
    folder = write_esm(tmp_path / "esm")
    views = [[make_view(chain) for _ in range(2)] for chain in map(make_chain, (9, 21))]
    found = []
    for backbone in (build(folder), build(folder, **options)):
        network, batch = adapted(backbone).train(), backbone.encoder().encode(views)
        states = backbone.hidden(network, batch)[batch.token_RV]
        trained = [p for p in network.parameters() if p.requires_grad]
        weight = torch.randn(states.shape, generator=torch.Generator().manual_seed(1))
        found.append([states, *torch.autograd.grad(states, trained, weight)])
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "usual", "other"),
    [
        ("hidden_dropout_prob", "0.0", "0.1"),
        ("attention_probs_dropout_prob", "0.0", "0.1"),
        ("position_embedding_type", '"rotary"', '"absolute"'),
    ],
)
def test_other_kinds_of_esm_run_as_transformers_has_them(tmp_path, name, usual, other):
    folder = write_esm(tmp_path / "esm")
    assert build(folder).packs
    config = (folder / "config.json").read_text()
    assert f'"{name}": {usual}' in config
    (folder / "config.json").write_text(config.replace(f'"{name}": {usual}', f'"{name}": {other}'))
    assert not build(folder).packs


def test_other_architectures_run_as_transformers_has_them(tmp_path):
    assert not build(write_bert(tmp_path / "bert")).packs


def test_a_model_whose_own_numbers_are_others_is_found_out_when_it_is_loaded(backbone, batch, caplog):
    with mock.patch.object(esm_layers.F, "gelu", F.relu):
        model = backbone.load_model()
        assert not backbone.packs
        assert "runs as transformers has it" in caplog.text
        with torch.no_grad():
            states = backbone.hidden(model, batch)[batch.token_RV]
    with torch.no_grad():
        assert torch.equal(states, own_states(backbone, model, batch))
