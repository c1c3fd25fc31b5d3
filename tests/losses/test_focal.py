"""Focal loss against explicit loops and its limit cases."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from e1bind.scoring import prototype_scores


def slow_focal(batch, gamma: float, alpha: float | None) -> torch.Tensor:
    score = prototype_scores(batch.embeddings, batch.view_mask, batch.prototype, 0.2)
    terms = []
    for r, label in enumerate(batch.labels.tolist()):
        p = torch.sigmoid(score[r])
        p_t = p if label else 1 - p
        weight = 1.0 if alpha is None else (alpha if label else 1 - alpha)
        terms.append(-weight * (1 - p_t) ** gamma * torch.log(p_t))
    return torch.stack(terms).mean()


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("alpha", [None, 0.25, 0.9])
def test_value_and_gradient_equal_slow_loops(build, make, gamma, alpha):
    batch = make(R=12, V=3)
    want, got = slow_focal(batch, gamma, alpha), build("focal", gamma=gamma, alpha=alpha)(batch).value
    assert got.item() == pytest.approx(want.item(), abs=1e-6)
    (want_grad,) = torch.autograd.grad(want, batch.embeddings)
    (got_grad,) = torch.autograd.grad(got, batch.embeddings)
    torch.testing.assert_close(got_grad, want_grad, rtol=1e-6, atol=1e-8)


def test_gradcheck(build, make):
    batch = make(R=6, V=2, D=4)
    loss = build("focal")
    assert torch.autograd.gradcheck(lambda e: loss(replace(batch, embeddings=e)).value, (batch.embeddings,))


def test_without_focus_and_weights_it_is_the_plain_cross_entropy(build, make):
    batch = make(R=9)
    plain = build("prototype-bce", label_smoothing=0.0)(batch).value
    assert build("focal", gamma=0.0, alpha=None)(batch).value.item() == pytest.approx(plain.item(), rel=1e-12)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("temperature", [1e-5, 1e5])
def test_saturated_scores_have_finite_gradients(build, make, gamma, temperature):
    batch = make(R=9, dtype=torch.float32)
    value = build("focal", gamma=gamma, scoring_temperature=temperature)(batch).value
    (grad,) = torch.autograd.grad(value, batch.embeddings)
    assert torch.isfinite(value)
    assert torch.isfinite(grad).all()


def test_a_well_scored_majority_weighs_little(build, make):
    batch = make(R=60, V=1, masked=0.0)
    sign = (2 * batch.labels - 1).reshape(-1, 1, 1)
    easy = replace(batch, embeddings=sign * batch.prototype.expand(60, 1, -1))
    plain = build("prototype-bce", label_smoothing=0.0)(easy).value
    assert build("focal", alpha=None)(easy).value < 1e-6 * plain
