"""NT-Xent against explicit loops, and what counts as anchor, positive and negative."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from e1bind.contracts import LossInputs


def slow_nt_xent(batch: LossInputs, temperature: float, other_proteins: bool = False) -> torch.Tensor:
    """The definition, one pair at a time."""
    e, valid = batch.embeddings, batch.view_mask
    pairs = [(r, v) for r in range(e.shape[0]) for v in range(e.shape[1]) if valid[r, v]]
    losses = []
    for r, v in pairs:
        positives = [(q, w) for q, w in pairs if q == r and w != v]
        if not positives:
            continue
        negatives = [
            (q, w) for q, w in pairs if q != r and not (other_proteins and batch.protein[q] == batch.protein[r])
        ]
        exponentials = [torch.exp(e[r, v] @ e[q, w] / temperature) for q, w in positives + negatives]
        denominator = torch.stack(exponentials).sum()
        log_p = [torch.log(torch.exp(e[r, v] @ e[q, w] / temperature) / denominator) for q, w in positives]
        losses.append(-torch.stack(log_p).mean())
    return torch.stack(losses).mean() if losses else (e * 0).sum()


@pytest.mark.parametrize("negatives", ["batch", "other-proteins"])
@pytest.mark.parametrize("V", [2, 3, 5])
@pytest.mark.parametrize("seed", [0, 1])
def test_value_and_gradient_equal_slow_loops(build, make, negatives, V, seed):
    batch = make(R=11, V=V, seed=seed)
    want = slow_nt_xent(batch, 0.3, negatives == "other-proteins")
    got = build("nt-xent", temperature=0.3, negatives=negatives)(batch).value
    assert got.item() == pytest.approx(want.item(), abs=1e-6)
    (want_grad,) = torch.autograd.grad(want, batch.embeddings)
    (got_grad,) = torch.autograd.grad(got, batch.embeddings)
    torch.testing.assert_close(got_grad, want_grad, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("negatives", ["batch", "other-proteins"])
def test_value_in_float32_is_within_1e6_of_float64_loops(build, make, negatives):
    batch = make(R=12, V=4, D=32, dtype=torch.float32)
    wide = replace(batch, embeddings=batch.embeddings.double())
    want = slow_nt_xent(wide, 0.07, negatives == "other-proteins")
    got = build("nt-xent", negatives=negatives)(batch).value
    assert got.dtype == torch.float32
    assert got.item() == pytest.approx(want.item(), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("negatives", ["batch", "other-proteins"])
@pytest.mark.parametrize("temperature", [0.07, 1.0, 0.002])
def test_gradcheck(build, make, negatives, temperature):
    batch = make(R=6, V=3, D=4)
    loss = build("nt-xent", temperature=temperature, negatives=negatives)

    def value(raw: torch.Tensor) -> torch.Tensor:
        return loss(replace(batch, embeddings=F.normalize(raw, dim=-1))).value

    raw = batch.embeddings.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(value, (raw,), eps=1e-7, atol=1e-4, rtol=1e-3)


def test_residue_with_one_valid_view_is_a_negative_but_no_anchor(build, make):
    batch = make(R=3, V=2, masked=0.0)
    mask = torch.tensor([[True, True], [True, False], [True, True]])
    with_single = build("nt-xent")(replace(batch, view_mask=mask)).value
    without = build("nt-xent")(replace(batch, view_mask=mask & torch.tensor([[1], [0], [1]]).bool())).value
    assert with_single.item() == pytest.approx(slow_nt_xent(replace(batch, view_mask=mask), 0.07).item(), abs=1e-6)
    (grad,) = torch.autograd.grad(with_single, batch.embeddings)
    assert torch.isfinite(grad).all()
    assert with_single > without  # one more term in every denominator


def test_masked_pairs_have_no_influence_and_no_gradient(build, make):
    batch = make(R=8, V=3)
    changed = batch.embeddings.detach().clone()
    changed[~batch.view_mask] = 7.0
    first, second = (build("nt-xent")(b).value for b in (batch, replace(batch, embeddings=changed)))
    assert first.item() == second.item()
    (grad,) = torch.autograd.grad(first, batch.embeddings)
    assert (grad[~batch.view_mask] == 0).all()


def test_residues_of_one_protein_alone_have_no_negatives_with_other_proteins(build, make):
    batch = make(R=4, V=2, masked=0.0)
    alone = replace(batch, protein=torch.zeros(4, dtype=torch.long))
    assert build("nt-xent", negatives="other-proteins")(alone).value.item() == pytest.approx(0.0, abs=1e-12)
    assert build("nt-xent")(alone).value.item() > 0


def test_proteins_may_come_in_any_order(build, make):
    batch = make(R=40, V=3)
    order = torch.randperm(40)
    e_RVD = batch.embeddings[order]
    mixed = LossInputs(e_RVD, batch.view_mask[order], batch.labels[order], batch.protein[order], batch.prototype)
    loss = build("nt-xent", negatives="other-proteins")
    assert loss(mixed).value.item() == pytest.approx(loss(batch).value.item(), rel=1e-12)


def test_duplicates_of_one_embedding_give_the_uniform_loss(build, make):
    batch = make(R=5, V=4, masked=0.0)
    same = F.normalize(torch.ones(5, 4, 6, dtype=torch.float64), dim=-1).requires_grad_()
    value = build("nt-xent")(replace(batch, embeddings=same)).value
    assert value.item() == pytest.approx(math.log(5 * 4 - 1), abs=1e-9)
    (grad,) = torch.autograd.grad(value, same)
    assert torch.isfinite(grad).all()


def test_huge_temperature_tends_to_the_uniform_loss(build, make):
    batch = make(R=5, V=4, masked=0.0, dtype=torch.float32)
    assert build("nt-xent", temperature=1e8)(batch).value.item() == pytest.approx(math.log(19), rel=1e-5)


@pytest.mark.parametrize("temperature", [0.02, 0.01, 1e-3, 1e-5])
def test_tiny_temperature_stays_finite_in_float32(build, make, temperature):
    batch = make(R=40, V=4, D=16, dtype=torch.float32)
    wide = replace(batch, embeddings=batch.embeddings.detach().double())
    got = build("nt-xent", temperature=temperature)(batch).value
    want = build("nt-xent", temperature=temperature)(wide).value
    assert got.item() == pytest.approx(want.item(), rel=1e-4, abs=1e-4)
    (grad,) = torch.autograd.grad(got, batch.embeddings)
    assert torch.isfinite(grad).all()


def test_logs_say_how_many_anchors_there_were_and_how_alike_their_views(build, make):
    batch = make(R=3, V=2, masked=0.0)
    mask = torch.tensor([[True, True], [True, False], [True, True]])
    logs = build("nt-xent")(replace(batch, view_mask=mask)).logs
    e = batch.embeddings.detach()
    assert logs["anchors"].item() == 4
    assert logs["view_similarity"].item() == pytest.approx(float((e[0, 0] @ e[0, 1] + e[2, 0] @ e[2, 1]) / 2))
