"""Masked-LM cross-entropy against explicit loops."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from e1bind.contracts import LossInputs, MaskedTokens


def with_mlm(batch: LossInputs, views: list[int], num_views: int, C: int = 5) -> LossInputs:
    torch.manual_seed(1)
    K = len(views)
    logits = torch.randn(K, C, dtype=torch.float64, requires_grad=True)
    return replace(batch, mlm=MaskedTokens(logits, torch.randint(C, (K,)), torch.tensor(views).long(), num_views))


def slow_mlm(mlm: MaskedTokens) -> torch.Tensor:
    per_view = []
    for v in range(mlm.num_views):
        terms = [
            -torch.log_softmax(mlm.logits[k], 0)[mlm.targets[k]]
            for k in range(len(mlm.targets))
            if mlm.view[k] == v
        ]
        if terms:
            per_view.append(torch.stack(terms).mean())
    return torch.stack(per_view).mean()


@pytest.mark.parametrize("views", [[0, 0, 1, 1, 2], [0, 0, 0, 0, 1], [2], [1, 0, 1, 0, 0, 3]])
def test_value_and_gradient_equal_slow_loops(build, make, views):
    batch = with_mlm(make(), views, num_views=4)
    want, got = slow_mlm(batch.mlm), build("mlm")(batch).value
    assert got.item() == pytest.approx(want.item(), abs=1e-6)
    (want_grad,) = torch.autograd.grad(want, batch.mlm.logits)
    (got_grad,) = torch.autograd.grad(got, batch.mlm.logits)
    torch.testing.assert_close(got_grad, want_grad, rtol=1e-6, atol=1e-8)


def test_gradcheck(build, make):
    batch = with_mlm(make(), [0, 1, 1, 2], num_views=3)
    loss = build("mlm")

    def value(logits: torch.Tensor) -> torch.Tensor:
        return loss(replace(batch, mlm=replace(batch.mlm, logits=logits))).value

    assert torch.autograd.gradcheck(value, (batch.mlm.logits,))


def test_nothing_masked_is_a_zero_with_a_graph(build, make):
    batch = with_mlm(make(), [], num_views=4)
    output = build("mlm")(batch)
    assert output.value.item() == 0
    output.value.backward()
    assert batch.mlm.logits.grad.shape == (0, 5)
    assert math.isnan(output.logs["mlm_accuracy"])


def test_a_host_that_gives_no_masked_tokens_is_told_so_in_training(build, make):
    batch = replace(make(), mlm=None)
    with pytest.raises(ValueError, match=r"LossInputs\.mlm is None"):
        build("mlm").train()(batch)
    value = build("mlm").eval()(batch).value
    assert value.item() == 0
    value.backward()


def test_accuracy_is_the_share_of_true_tokens_ranked_first(build, make):
    batch = with_mlm(make(), [0, 0, 1, 1], num_views=2)
    logits = torch.full((4, 5), -1.0)
    logits[torch.arange(4), batch.mlm.targets] = torch.tensor([1.0, 1.0, 1.0, -2.0])
    logs = build("mlm")(replace(batch, mlm=replace(batch.mlm, logits=logits))).logs
    assert logs["mlm_accuracy"].item() == 0.75


def test_bfloat16_logits_are_summed_in_float32(build, make):
    batch = with_mlm(make(), [0, 1] * 200, num_views=2)
    narrow = replace(batch, mlm=replace(batch.mlm, logits=batch.mlm.logits.detach().bfloat16()))
    wide = replace(batch, mlm=replace(batch.mlm, logits=narrow.mlm.logits.double()))
    got = build("mlm")(narrow).value
    assert got.dtype == torch.float32
    assert got.item() == pytest.approx(build("mlm")(wide).value.item(), rel=1e-6)
