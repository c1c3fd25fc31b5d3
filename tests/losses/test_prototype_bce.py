"""Cross-entropy on the scores against explicit loops; smoothing; class weight."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from e1bind.contracts import LossInputs
from e1bind.scoring import prototype_scores


def slow_score(batch: LossInputs, r: int, temperature: float) -> torch.Tensor:
    """Score of residue r from both prototypes, one view at a time."""
    V = batch.embeddings.shape[1]
    views = [v for v in range(V) if batch.view_mask[r, v]] or list(range(V))
    per_view = [
        (batch.embeddings[r, v] @ batch.prototype - batch.embeddings[r, v] @ -batch.prototype) / temperature
        for v in views
    ]
    return torch.stack(per_view).mean()


def slow_bce(batch: LossInputs, temperature: float, smoothing: float, pos_weight: float) -> torch.Tensor:
    terms = []
    for r in range(len(batch.labels)):
        p = torch.sigmoid(slow_score(batch, r, temperature))
        target = 1 - smoothing if batch.labels[r] == 1 else smoothing
        terms.append(-(pos_weight * target * torch.log(p) + (1 - target) * torch.log(1 - p)))
    return torch.stack(terms).mean()


@pytest.mark.parametrize("V", [1, 3])
@pytest.mark.parametrize("masked", [0.0, 0.5, 1.0])
@pytest.mark.parametrize(("smoothing", "pos_weight"), [(0.0, None), (0.05, None), (0.1, 7.5)])
def test_value_and_gradient_equal_slow_loops(build, make, V, masked, smoothing, pos_weight):
    batch = make(R=10, V=V, masked=masked)
    want = slow_bce(batch, 0.2, smoothing, pos_weight or 1.0)
    got = build("prototype-bce", label_smoothing=smoothing, pos_weight=pos_weight)(batch).value
    assert got.item() == pytest.approx(want.item(), abs=1e-6)
    (want_grad,) = torch.autograd.grad(want, batch.embeddings)
    (got_grad,) = torch.autograd.grad(got, batch.embeddings)
    torch.testing.assert_close(got_grad, want_grad, rtol=1e-6, atol=1e-8)


def test_gradcheck(build, make):
    batch = make(R=6, V=2, D=4)
    loss = build("prototype-bce", pos_weight=3.0)
    assert torch.autograd.gradcheck(lambda e: loss(replace(batch, embeddings=e)).value, (batch.embeddings,))


def test_labels_are_smoothed_in_training_only(build, make):
    batch = make(R=8)
    loss, plain = build("prototype-bce", label_smoothing=0.2), build("prototype-bce", label_smoothing=0.0)
    assert loss.train()(batch).value.item() != pytest.approx(plain(batch).value.item(), abs=1e-3)
    assert loss.eval()(batch).value.item() == plain(batch).value.item()


def test_it_is_the_cross_entropy_of_the_scores_that_prediction_uses(build, make):
    batch = make(R=8, V=3)
    score = prototype_scores(batch.embeddings, batch.view_mask, batch.prototype, 0.2)
    p = score.sigmoid()
    want = -torch.where(batch.labels == 1, p.log(), (1 - p).log()).mean()
    assert build("prototype-bce").eval()(batch).value.item() == pytest.approx(want.item())


def test_a_certain_and_wrong_score_stays_finite(build, make):
    batch = make(R=1, V=1, D=2, masked=0.0)
    wrong = replace(
        batch, embeddings=-batch.prototype.reshape(1, 1, 2).clone().requires_grad_(), labels=torch.tensor([1])
    )
    value = build("prototype-bce", scoring_temperature=1e-3, label_smoothing=0.0)(wrong).value
    assert value.item() == pytest.approx(2000.0)


def test_a_residue_without_unmasked_views_counts_with_all_of_them(build, make):
    batch = make(R=4, V=2)
    none = replace(batch, view_mask=torch.zeros(4, 2, dtype=torch.bool))
    every = replace(batch, view_mask=torch.ones(4, 2, dtype=torch.bool))
    assert build("prototype-bce")(none).value.item() == build("prototype-bce")(every).value.item() > 0
    assert not math.isclose(build("prototype-bce")(none).value.item(), build("prototype-bce")(batch).value.item())
