"""Helpers of the backbone tests: an independent oracle, loud random models, chains and views."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from e1bind.contracts import STANDARD_RESIDUES, View
from e1bind_backbones.e1 import E1Config, E1ForMaskedLM


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def oracle():
    """The naive float64 E1 of `oracle.py`."""
    spec = importlib.util.spec_from_file_location("e1_oracle", Path(__file__).with_name("oracle.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def loud_model():
    """Builds a tiny E1 whose parameters, norms and biases included, are large enough for every part to show."""

    def build(seed=0, **changes) -> E1ForMaskedLM:
        shape = {
            "hidden_size": 24,
            "intermediate_size": 40,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
            "gated_mlp": True,
            "clip_qkv": 2.0,
            "global_attention_every_n_layers": 2,
            "max_num_sequences": 8,
            "max_num_positions_within_seq": 64,
            "rope_theta_global": 500000.0,
        }
        model = E1ForMaskedLM(E1Config(**{**shape, **changes})).eval()
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, p in model.named_parameters():
                scale = 0.3 if p.dim() == 1 else 1.5 / p.shape[1] ** 0.5
                p.copy_(torch.randn(p.shape, generator=generator) * scale)
                if p.dim() == 1 and "bias" not in name:
                    p.add_(1.0)
        return model

    return build


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture
def make_chain(rng):
    """A random chain of n residues."""
    return lambda n: "".join(rng.choice(list(STANDARD_RESIDUES), n))


@pytest.fixture
def make_view(rng):
    """A view of a chain: some residues masked, some replaced, some selected and kept."""

    def build(truth, context=(), selected=0.3):
        chosen = rng.random(len(truth)) < selected
        draw = rng.random(len(truth))
        visible = [
            c if not s or u > 0.9 else "?" if u < 0.8 else str(rng.choice(list(STANDARD_RESIDUES)))
            for c, s, u in zip(truth, chosen, draw, strict=True)
        ]
        return View(truth, "".join(visible), chosen, tuple(context))

    return build
