"""Learning rate and weight decay."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from e1bind.engine.optimization import build_optimizer, learning_rate, set_learning_rate
from e1bind.spec.training import TrainingSection


def section(**changes: object) -> TrainingSection:
    values = {"ions": ["ZN"], "epochs": 10, "warmup_epochs": 2, "learning_rate": 1e-3, "min_lr": 1e-5}
    return TrainingSection(**{**values, **changes})


def test_the_rate_climbs_linearly_then_falls_as_half_a_cosine():
    s = section()
    steps = [(e + 1) / 4 for e in range(40)]  # four steps an epoch
    rates = [learning_rate(s, done) for done in steps]
    for done, rate in zip(steps, rates, strict=True):
        if done < 2:
            expected = 1e-3 * done / 2
        else:
            expected = 1e-5 + (1e-3 - 1e-5) * (1 + math.cos(math.pi * (done - 2) / 8)) / 2
        assert rate == pytest.approx(expected)
    assert max(rates) == pytest.approx(1e-3)
    assert rates[-1] == pytest.approx(1e-5)
    assert rates[0] > 0


def test_without_warm_up_the_first_step_has_nearly_the_peak_rate():
    assert learning_rate(section(warmup_epochs=0), 0.01) == pytest.approx(1e-3, rel=1e-3)


def test_warm_up_may_take_all_epochs():
    assert learning_rate(section(warmup_epochs=10), 10) == pytest.approx(1e-3)


def test_fractions_of_an_epoch_warm_up_too():
    assert learning_rate(section(warmup_epochs=0.5), 0.25) == pytest.approx(5e-4)


def test_no_decay_on_vectors_and_none_of_the_frozen_parameters():
    model = nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3), nn.Linear(3, 2))
    for p in model[2].parameters():
        p.requires_grad_(False)
    decayed, free = build_optimizer(model, section(weight_decay=0.05)).param_groups
    assert decayed["weight_decay"] == 0.05
    assert [p.shape for p in decayed["params"]] == [(3, 3)]
    assert free["weight_decay"] == 0
    assert len(free["params"]) == 3
    set_learning_rate(optimizer := torch.optim.AdamW([decayed, free], lr=1.0), 0.25)
    assert {group["lr"] for group in optimizer.param_groups} == {0.25}
