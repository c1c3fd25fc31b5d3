"""Supervised contrastive loss against explicit loops."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from e1bind.contracts import LossInputs


def slow_supcon(batch: LossInputs, temperature: float, binding_only: bool = False) -> torch.Tensor:
    """The definition, one pair at a time."""
    e, valid = batch.embeddings, batch.view_mask
    pairs = [(r, v) for r in range(e.shape[0]) for v in range(e.shape[1]) if valid[r, v]]
    losses = []
    for r, v in pairs:
        others = [p for p in pairs if p != (r, v)]
        positives = [(q, w) for q, w in others if batch.labels[q] == batch.labels[r]]
        if not positives or (binding_only and batch.labels[r] == 0):
            continue
        denominator = torch.stack([torch.exp(e[r, v] @ e[q, w] / temperature) for q, w in others]).sum()
        log_p = [torch.log(torch.exp(e[r, v] @ e[q, w] / temperature) / denominator) for q, w in positives]
        losses.append(-torch.stack(log_p).mean())
    return torch.stack(losses).mean() if losses else (e * 0).sum()


@pytest.mark.parametrize("anchors", ["all", "binding"])
@pytest.mark.parametrize("V", [1, 2, 4])
def test_value_and_gradient_equal_slow_loops(build, make, anchors, V):
    batch = make(R=10, V=V)
    want = slow_supcon(batch, 0.2, anchors == "binding")
    got = build("supcon", temperature=0.2, anchors=anchors)(batch).value
    assert got.item() == pytest.approx(want.item(), abs=1e-6)
    (want_grad,) = torch.autograd.grad(want, batch.embeddings)
    (got_grad,) = torch.autograd.grad(got, batch.embeddings)
    torch.testing.assert_close(got_grad, want_grad, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("anchors", ["all", "binding"])
def test_gradcheck(build, make, anchors):
    batch = make(R=6, V=2, D=4)
    loss = build("supcon", temperature=0.3, anchors=anchors)

    def value(raw: torch.Tensor) -> torch.Tensor:
        return loss(replace(batch, embeddings=F.normalize(raw, dim=-1))).value

    assert torch.autograd.gradcheck(value, (batch.embeddings.detach().clone().requires_grad_(),))


def test_class_of_one_pair_is_no_anchor_but_a_negative(build, make):
    batch = make(R=5, V=1, masked=0.0)
    labels = torch.tensor([1, 0, 0, 0, 0])
    value = build("supcon")(replace(batch, labels=labels)).value
    (grad,) = torch.autograd.grad(value, batch.embeddings, retain_graph=True)
    assert torch.isfinite(grad).all()
    assert value.item() == pytest.approx(slow_supcon(replace(batch, labels=labels), 0.07).item(), abs=1e-6)
    none_left = build("supcon", anchors="binding")(replace(batch, labels=labels)).value
    assert none_left.item() == 0
    none_left.backward()


@pytest.mark.parametrize("temperature", [1e-4, 0.01, 1e6])
def test_extreme_temperatures_stay_finite_in_float32(build, make, temperature):
    batch = make(R=30, V=2, D=16, dtype=torch.float32)
    wide = replace(batch, embeddings=batch.embeddings.detach().double())
    got = build("supcon", temperature=temperature)(batch).value
    want = build("supcon", temperature=temperature)(wide).value
    assert got.item() == pytest.approx(want.item(), rel=1e-4)
    (grad,) = torch.autograd.grad(got, batch.embeddings)
    assert torch.isfinite(grad).all()
