"""Views under other shapes of E1: grouped heads, other cadences, deep contexts, rare letters, gaps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from e1bind.contracts import View
from e1bind.data.msa import parse_a3m
from e1bind.data.msa_profiles import Profile
from e1bind.spec.sections import MsaSampling
from e1bind_backbones.e1.backbone import E1Backbone
from e1bind_backbones.e1.tokens import VOCABULARY
from e1bind_backbones.options import E1Options

SHAPES = {
    "grouped heads, all layers global": {"num_key_value_heads": 2, "global_attention_every_n_layers": 1},
    "one key/value head, cadence 3": {"num_key_value_heads": 1, "global_attention_every_n_layers": 3},
    "no global layer": {"global_attention_every_n_layers": 0},
    "plain feed-forward, no clamp": {"gated_mlp": False, "clip_qkv": None, "hidden_act": "gelu"},
}
DEEP = ("BJOUXZ", "A", "MKVLAT", "UUB", "ZX")
CONTEXTS = [[DEEP, DEEP, DEEP], [DEEP[:3], DEEP, DEEP[:3]], [(), DEEP[1:2], ()]]
CHAINS = ["OXMKUBZJ", "W", "ACDEFGHIKLMNPQRSTVWY"]


@pytest.fixture
def views(make_view):
    return [
        [make_view(chain, context) for context in contexts]
        for chain, contexts in zip(CHAINS, CONTEXTS, strict=True)
    ]


@pytest.mark.parametrize("shape", SHAPES)
def test_every_way_to_run_views_is_one_row_per_view(loud_model, oracle, views, tmp_path, shape):
    """Embeddings of each view against the float64 restatement of its own row, and gradients against each other."""
    model = loud_model(**SHAPES[shape])
    model.save_pretrained(tmp_path)
    config, parameters = model.config.to_dict(), {n: p.detach().double() for n, p in model.named_parameters()}
    expected_R, found = [], []
    for protein in views:
        length = len(protein[0].truth)
        rows = [oracle.forward(config, parameters, ",".join((*v.context, v.visible)))[0][-1] for v in protein]
        expected_R.append(torch.stack([row[-2 - length : -2] for row in rows], dim=1))
    for execution in ("auto", "batched", "separate"):
        for attention in ("auto", "slices", "dense"):
            options = E1Options(checkpoint=str(tmp_path), view_execution=execution, attention=attention)
            backbone = E1Backbone(options)
            plain, batch = backbone.load_model(), backbone.encoder().encode(views)
            embeddings_RVD = backbone.hidden(plain, batch)[batch.token_RV]
            assert (embeddings_RVD - torch.cat(expected_R)).abs().max() < 2e-5, (execution, attention)
            embeddings_RVD.square().mean().backward()
            found.append({n: p.grad for n, p in plain.model.named_parameters()})
    for gradients in found:
        assert all((g - found[-1][name]).abs().max() < 1e-5 for name, g in gradients.items())


def test_an_alignment_with_gaps_insertions_and_rare_letters_becomes_rows_of_residues():
    """From the file to token ids: "-" and "." vanish, lower case and B, J, O, U, X, Z are residues."""
    text = ">q\nMKUVX\n>1\nBZ-JO\n>2\n.KabU-x.\n>3\n-----\n"
    alignment = parse_a3m(text.encode(), Path("q.a3m"), "MKUVX")
    options = MsaSampling(max_query_similarity=0.95, max_num_samples=8, max_token_length=50)
    context = Profile.of(alignment, 0.8).draw(options, np.random.default_rng(0))
    assert sorted(context) == ["BZJO", "KABUX"]  # the query stays out, and so does the row of gaps
    view = View("MKUVX", "M?UVX", np.array([False, True, False, False, False]), context)
    batch = E1Backbone(E1Options(random_weights="tiny")).encoder().encode([[view]])
    shown = "".join(VOCABULARY[i] for i in batch.inputs["input_ids"][0].tolist())
    assert shown == "".join(f"<bos>1{s}2<eos>" for s in (*context, "M?UVX"))
    assert batch.inputs["sequence_ids"][0].tolist() == [
        i for i, s in enumerate((*context, "12345")) for _ in s + "mark"
    ]
