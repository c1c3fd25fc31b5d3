"""Prototypes against explicit loops."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from e1bind.engine.distributed import World
from e1bind.engine.prototypes import prototype_of as prototype_of_sample
from e1bind.engine.prototypes import take_sample
from e1bind.errors import RunError
from e1bind.spec.sections import PrototypesSection

CENTRED = {"center": True, "strategy": "mean-difference"}
ALONE = World(0, 1, torch.device("cpu"))


def batches_of(count=3, residues=5, width=4, positives=(0, 3)):
    generator = torch.Generator().manual_seed(0)
    found = []
    for i in range(count):
        labels = torch.zeros(residues, dtype=torch.long)
        labels[list(positives)] = 1
        raw = torch.randn(residues, width, generator=generator) + 1
        found.append(SimpleNamespace(ids=(f"p{i}",), labels_R=labels, raw=raw))
    return found


def prototype_of(batches, temperature=0.2, train=3, **options):
    sample = take_sample(batches, lambda batch: batch.raw, batches[0].raw.shape[1], ALONE.device, train)
    return prototype_of_sample(sample, PrototypesSection(**options), temperature, ALONE, "ZN, fold 1")


def unit(v):
    return [x / sum(y * y for y in v) ** 0.5 for x in v]


def loop_mean(batches, label, center):
    total, count = [0.0] * 4, 0
    for batch in batches:
        for row, own in zip(batch.raw.double().tolist(), batch.labels_R.tolist(), strict=True):
            if own == label:
                z = unit([x - c for x, c in zip(row, center, strict=True)])
                total = [t + x for t, x in zip(total, z, strict=True)]
                count += 1
    return [t / count for t in total]


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("strategy", ["mean-positive", "mean-difference"])
def test_it_is_the_unit_mean_of_binding_residues(strategy, center):
    batches = batches_of()
    middle = torch.cat([b.raw for b in batches]).double().mean(0).tolist() if center else [0.0] * 4
    positive, negative = loop_mean(batches, 1, middle), loop_mean(batches, 0, middle)
    difference = [p - n for p, n in zip(positive, negative, strict=True)]
    expected = unit(difference if strategy == "mean-difference" else positive)
    found = prototype_of(batches, strategy=strategy, center=center)
    assert found.vector_P.tolist() == pytest.approx(expected, abs=1e-6)
    assert float(found.vector_P.norm()) == pytest.approx(1, abs=1e-6)
    assert found.center_P.tolist() == pytest.approx(middle, abs=1e-6)
    assert found.sim_pos == pytest.approx(sum(a * b for a, b in zip(positive, expected, strict=True)), abs=1e-6)
    assert found.sim_neg == pytest.approx(sum(a * b for a, b in zip(negative, expected, strict=True)), abs=1e-6)
    assert (found.proteins, found.positives, found.residues) == (3, 6, 15)


def test_unknown_labels_are_neither_class():
    batches = batches_of(1)
    batches[0].labels_R[1] = -1
    clean = batches_of(1)
    clean[0].raw[1] = 1e3
    clean[0].labels_R[1] = -1
    assert torch.equal(prototype_of(batches).vector_P, prototype_of(clean).vector_P)
    assert prototype_of(clean).sim_neg == pytest.approx(prototype_of(batches).sim_neg)


def rare_class(rate=0.02, residues=2000, width=16):
    """One batch in which a binding residue differs in its first coordinates, and all share a large mean."""
    generator = torch.Generator().manual_seed(1)
    raw = torch.randn(residues, width, generator=generator) + 5
    labels = (torch.arange(residues) < rate * residues).long()
    raw[labels == 1, :3] += 2
    return [SimpleNamespace(ids=("p",), labels_R=labels, raw=raw)]


def mean_probability(found, batch, temperature):
    z = torch.nn.functional.normalize(batch.raw.double() - found.center_P.double(), dim=-1)
    score = 2 * (z @ found.vector_P.double()) / temperature
    return float((1 / (1 + (-score).exp()))[batch.labels_R >= 0].mean())


@pytest.mark.parametrize("unknown", [0, 300])
def test_match_rate_begins_with_the_share_of_binding_residues(unknown):
    (batch,) = rare_class()
    batch.labels_R[len(batch.labels_R) - unknown :] = -1
    rate = float((batch.labels_R == 1).sum() / (batch.labels_R >= 0).sum())
    before = prototype_of([batch], 0.1, **CENTRED)
    after = prototype_of([batch], 0.1, **CENTRED, match_rate=True)
    assert mean_probability(before, batch, 0.1) > 0.3
    assert mean_probability(after, batch, 0.1) == pytest.approx(rate, rel=0.05)
    assert (after.positives, after.residues) == (before.positives, before.residues)


def test_a_temperature_too_high_for_so_rare_a_class_moves_the_centre_as_far_as_it_may():
    (batch,) = rare_class()
    before, after = (prototype_of([batch], 5.0, **CENTRED, match_rate=match) for match in (False, True))
    binding = batch.labels_R == 1
    difference = batch.raw[binding].double().mean(0) - batch.raw[~binding].double().mean(0)
    moved = (after.center_P - before.center_P).double()
    assert moved.tolist() == pytest.approx((2 * difference).tolist(), rel=1e-3)


@pytest.mark.parametrize("missing", CENTRED)
def test_match_rate_needs_a_centre_and_a_difference(missing):
    with pytest.raises(ValueError, match="match_rate needs center = true and strategy"):
        PrototypesSection(match_rate=True, **{k: v for k, v in CENTRED.items() if k != missing})


def test_without_binding_residues_it_names_ion_and_fold():
    with pytest.raises(RunError, match=r"ZN, fold 1: none of the 3 proteins .* check the labels; all 3 chains"):
        prototype_of(batches_of(positives=()))
    with pytest.raises(RunError, match=r"check the labels; raise prototypes\.max_samples \(now 3, of 9 chains"):
        prototype_of(batches_of(positives=()), train=9, max_samples=3)


def test_no_gradient_reaches_it_and_it_keeps_nothing_of_the_graph():
    batches = batches_of()
    for batch in batches:
        batch.raw.requires_grad_()
    assert not prototype_of(batches).vector_P.requires_grad
