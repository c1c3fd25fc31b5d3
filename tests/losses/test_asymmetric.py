"""Asymmetric loss against explicit loops and its limit cases."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from e1bind.scoring import prototype_scores


def slow_asymmetric(batch, gamma_pos: float, gamma_neg: float, clip: float) -> torch.Tensor:
    score = prototype_scores(batch.embeddings, batch.view_mask, batch.prototype, 0.2)
    terms = []
    for r, label in enumerate(batch.labels.tolist()):
        p = torch.sigmoid(score[r])
        if label:
            terms.append(-((1 - p) ** gamma_pos) * torch.log(p))
        elif p > clip:
            terms.append(-((p - clip) ** gamma_neg) * torch.log(1 - (p - clip)))
        else:
            terms.append(0 * p)
    return torch.stack(terms).mean()


@pytest.mark.parametrize("gammas", [(0.0, 4.0), (1.0, 1.0), (0.0, 0.0), (2.0, 0.5)])
@pytest.mark.parametrize("clip", [0.0, 0.05, 0.4])
def test_value_and_gradient_equal_slow_loops(build, make, gammas, clip):
    batch = make(R=14, V=2)
    want = slow_asymmetric(batch, *gammas, clip)
    got = build("asymmetric", gamma_pos=gammas[0], gamma_neg=gammas[1], clip=clip)(batch).value
    assert got.item() == pytest.approx(want.item(), abs=1e-6)
    (want_grad,) = torch.autograd.grad(want, batch.embeddings)
    (got_grad,) = torch.autograd.grad(got, batch.embeddings)
    torch.testing.assert_close(got_grad, want_grad, rtol=1e-6, atol=1e-8)


def test_gradcheck(build, make):
    batch = make(R=6, V=2, D=4)
    loss = build("asymmetric", gamma_pos=1.0)
    assert torch.autograd.gradcheck(lambda e: loss(replace(batch, embeddings=e)).value, (batch.embeddings,))


def test_without_focus_and_clip_it_is_the_plain_cross_entropy(build, make):
    batch = make(R=9)
    plain = build("prototype-bce", label_smoothing=0.0)(batch).value
    got = build("asymmetric", gamma_pos=0.0, gamma_neg=0.0, clip=0.0)(batch).value
    assert got.item() == pytest.approx(plain.item(), rel=1e-12)


def test_non_binding_residues_below_the_clip_count_nothing(build, make):
    batch = make(R=5, V=1, masked=0.0)
    far = (-batch.prototype).expand(5, 1, -1).clone().requires_grad_()
    inputs = replace(batch, embeddings=far, labels=torch.zeros(5, dtype=torch.long))
    value = build("asymmetric")(inputs).value
    value.backward()
    assert value.item() == 0
    assert (far.grad == 0).all()


@pytest.mark.parametrize("options", [{}, {"clip": 0.0}, {"gamma_neg": 0.5}, {"gamma_neg": 0.5, "clip": 0.0}])
@pytest.mark.parametrize("temperature", [1e-5, 1e5])
def test_saturated_scores_have_finite_gradients(build, make, options, temperature):
    batch = make(R=9, dtype=torch.float32)
    value = build("asymmetric", scoring_temperature=temperature, **options)(batch).value
    (grad,) = torch.autograd.grad(value, batch.embeddings)
    assert torch.isfinite(value)
    assert torch.isfinite(grad).all()


def test_nan_is_not_taken_for_a_dropped_residue(build, make):
    batch = make(R=5)
    broken = batch.embeddings.detach().clone()
    broken[1, 0] = torch.nan
    inputs = replace(batch, embeddings=broken, labels=torch.zeros(5, dtype=torch.long))
    assert build("asymmetric")(inputs).value.isnan()
