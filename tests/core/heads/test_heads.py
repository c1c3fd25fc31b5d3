"""The built-in heads against explicit loops."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from e1bind.contracts import HeadInputs, HeadStart
from e1bind.heads.linear import LinearHead
from e1bind.heads.options import LinearHeadOptions, PrototypeHeadOptions
from e1bind.heads.prototype import PrototypeHead
from e1bind.scoring import prototype_scores


def inputs(ion="ZN", prototype=True, R=7, V=3, P=5) -> HeadInputs:
    generator = torch.Generator().manual_seed(3)
    raw = torch.randn(R, V, P, generator=generator) * 3 + 1
    mask = torch.rand(R, V, generator=generator) > 0.4
    mask[0] = False  # a residue that is masked in all views
    vector = F.normalize(torch.randn(P, generator=generator), dim=0) if prototype else None
    return HeadInputs(ion, raw, F.normalize(raw, dim=-1), mask, vector, 0.2)


def started(ions=("ZN", "CA"), dropout=0.0):
    module = LinearHead(LinearHeadOptions(dropout=dropout)).module(ions, 5)
    for shift, ion in enumerate(ions):
        module.start(ion, HeadStart(torch.arange(5.0) + shift, torch.arange(1.0, 6.0) + shift, 100, 3 + shift))
    with torch.no_grad():
        for row in range(len(ions)):
            module.weight_IP[row] = torch.linspace(-1, 1, 5) * (row + 1)
    return module


@pytest.mark.parametrize(("ion", "shift"), [("ZN", 0), ("CA", 1)])
def test_the_linear_head_is_a_classifier_on_standardised_embeddings_averaged_over_unmasked_views(ion, shift):
    batch = inputs(ion, prototype=False)
    found = started()(batch)
    weights = torch.linspace(-1, 1, 5) * (shift + 1)
    for r, row in enumerate(batch.raw):
        logits = []
        for v, vector in enumerate(row):
            if batch.view_mask[r, v] or not batch.view_mask[r].any():
                z = [(float(x) - (i + shift)) / (i + 1 + shift) for i, x in enumerate(vector)]
                bias = math.log((3 + shift + 1) / (97 - shift + 1))
                logits.append(sum(float(w) * x for w, x in zip(weights, z, strict=True)) + bias)
        assert float(found[r].detach()) == pytest.approx(sum(logits) / len(logits), abs=1e-4)


def test_it_begins_with_the_rate_of_binding_residues_for_every_residue():
    module = LinearHead(LinearHeadOptions()).module(["ZN"], 5)
    module.start("ZN", HeadStart(torch.zeros(5), torch.zeros(5), 998, 49))
    found = torch.sigmoid(module(inputs(prototype=False)))
    assert found.tolist() == pytest.approx([50 / 1000] * 7)


def test_a_batch_of_one_ion_leaves_the_other_ion_s_gradient_at_zero():
    module = started()
    module(inputs("CA", prototype=False)).sum().backward()
    assert module.weight_IP.grad[0].abs().sum() == 0
    assert module.weight_IP.grad[1].abs().sum() > 0


def test_dropout_acts_in_training_alone():
    batch = inputs(prototype=False)
    module = started(dropout=0.5)
    assert not torch.equal(module.train()(batch), module(batch))
    assert torch.equal(module.eval()(batch), started()(batch))


def test_the_prototype_head_scores_as_the_one_scoring_function_does_and_holds_nothing():
    batch = inputs()
    module = PrototypeHead(PrototypeHeadOptions()).module(["ZN"], 5)
    assert module.state_dict() == {}
    assert torch.equal(module(batch), prototype_scores(batch.unit, batch.view_mask, batch.prototype, 0.2))
    with pytest.raises(ValueError, match="no prototype of ZN"):
        module(inputs(prototype=False))
