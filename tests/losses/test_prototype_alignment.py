"""Prototype alignment against explicit loops; margins; logs."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from e1bind.contracts import LossInputs


def slow_alignment(batch: LossInputs, temperature: float, eps_pos: float, eps_neg: float) -> torch.Tensor:
    """The definition with two prototypes and an explicit softmax, one pair at a time."""
    e, prototypes = batch.embeddings, {1: batch.prototype, 0: -batch.prototype}
    terms = []
    for r in range(e.shape[0]):
        views = [v for v in range(e.shape[1]) if batch.view_mask[r, v]] or range(e.shape[1])
        label = int(batch.labels[r])
        for v in views:
            own, other = e[r, v] @ prototypes[label], e[r, v] @ prototypes[1 - label]
            if own <= other + (eps_pos if label else eps_neg):
                two = torch.stack([own, other]) / temperature
                terms.append(-torch.log_softmax(two, dim=0)[0])
    return torch.stack(terms).mean() if terms else (e * 0).sum()


@pytest.mark.parametrize("V", [1, 3])
@pytest.mark.parametrize("masked", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("eps", [(0.25, 0.05), (0.0, 0.0), (2.0, 2.0)])
def test_value_and_gradient_equal_slow_loops(build, make, V, masked, eps):
    batch = make(R=12, V=V, masked=masked)
    want = slow_alignment(batch, 0.07, *eps)
    got = build("prototype-alignment", temperature=0.07, eps_pos=eps[0], eps_neg=eps[1])(batch).value
    assert got.item() == pytest.approx(want.item(), abs=1e-6)
    (want_grad,) = torch.autograd.grad(want, batch.embeddings)
    (got_grad,) = torch.autograd.grad(got, batch.embeddings)
    torch.testing.assert_close(got_grad, want_grad, rtol=1e-6, atol=1e-8)


def test_gradcheck(build, make):
    batch = make(R=6, V=2, D=4)
    loss = build("prototype-alignment")
    assert torch.autograd.gradcheck(lambda e: loss(replace(batch, embeddings=e)).value, (batch.embeddings,))


def similar(values: list[float]) -> torch.Tensor:
    """Unit vectors [R, 1, 2] with these similarities to the prototype (1, 0)."""
    s = torch.tensor(values, dtype=torch.float64)
    return torch.stack([s, (1 - s**2).sqrt()], dim=1).unsqueeze(1)


def test_margins_act_at_half_eps_on_either_side(build, make):
    batch = make(R=4, V=1, D=2, masked=0.0)
    inputs = replace(
        batch,
        embeddings=similar([0.1249, 0.1251, -0.0249, -0.0251]),
        labels=torch.tensor([1, 1, 0, 0]),
        prototype=torch.tensor([1.0, 0.0], dtype=torch.float64),
    )
    output = build("prototype-alignment")(inputs)
    assert output.logs["pull_mask_ratio"].item() == 0.5
    pulled = [math.log1p(math.exp(-2 * s / 0.07)) for s in (0.1249, 0.0249)]
    assert output.value.item() == pytest.approx(sum(pulled) / 2)


def test_nothing_pulled_is_a_zero_with_a_graph(build, make):
    batch = make(R=2, V=1, D=2, masked=0.0)
    e = similar([0.9, -0.9]).requires_grad_()
    inputs = replace(
        batch, embeddings=e, labels=torch.tensor([1, 0]), prototype=torch.tensor([1.0, 0.0], dtype=torch.float64)
    )
    value = build("prototype-alignment")(inputs).value
    assert value.item() == 0
    value.backward()
    assert (e.grad == 0).all()


def test_logs_tell_classes_apart(build, make):
    batch = make(R=4, V=1, D=2, masked=0.0)
    inputs = replace(
        batch,
        embeddings=similar([0.8, 0.6, 0.5, -0.7]),
        labels=torch.tensor([1, 1, 0, 0]),
        prototype=torch.tensor([1.0, 0.0], dtype=torch.float64),
    )
    logs = {name: value.item() for name, value in build("prototype-alignment")(inputs).logs.items()}
    assert logs == pytest.approx(
        {
            "pull_mask_ratio": 0.25,
            "pull_mask_ratio|pos": 0.0,
            "pull_mask_ratio|neg": 0.5,
            "sim_pos": 0.3,
            "sim_neg": -0.3,
            "sim_pos|pos": 0.7,
            "sim_pos|neg": -0.1,
        }
    )


def test_logs_of_an_absent_class_are_nan(build, make):
    batch = make(R=4, V=2)
    logs = build("prototype-alignment")(replace(batch, labels=torch.zeros(4, dtype=torch.long))).logs
    assert math.isnan(logs["sim_pos|pos"])
    assert math.isnan(logs["pull_mask_ratio|pos"])
    assert not math.isnan(logs["sim_pos|neg"])
    assert not any(value.requires_grad for value in logs.values())


def test_wrong_side_at_a_tiny_temperature_stays_finite(build, make):
    batch = make(R=6, V=2, dtype=torch.float32)
    value = build("prototype-alignment", temperature=1e-4)(batch).value
    (grad,) = torch.autograd.grad(value, batch.embeddings)
    assert torch.isfinite(value)
    assert torch.isfinite(grad).all()
    assert value > 100


def test_alignment_without_margins_is_cross_entropy_at_its_own_temperature(build, make):
    """The relation the docs state: with eps = 2 every pair is pulled, and one view makes both the same function."""
    batch = make(R=9, V=1, masked=0.0)
    alignment = build("prototype-alignment", temperature=0.2, eps_pos=2.0, eps_neg=2.0)(batch).value
    sim = batch.embeddings[:, 0] @ batch.prototype
    want = F.binary_cross_entropy_with_logits(2 * sim / 0.2, batch.labels.double())
    assert alignment.item() == pytest.approx(want.item(), rel=1e-12)
