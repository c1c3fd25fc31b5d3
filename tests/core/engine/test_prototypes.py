"""Prototypes against explicit loops."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from e1bind.engine.distributed import World
from e1bind.engine.prototypes import make_prototype
from e1bind.errors import RunError
from e1bind.spec.sections import PrototypesSection

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


def prototype_of(batches, **options):
    return make_prototype(batches, lambda b: b.raw, 4, PrototypesSection(**options), ALONE, "ZN, fold 1")


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


def test_without_binding_residues_it_names_ion_and_fold():
    with pytest.raises(RunError, match=r"ZN, fold 1: none of the 3 proteins .* raise prototypes\.max_samples"):
        prototype_of(batches_of(positives=()))


def test_no_gradient_reaches_it_and_it_keeps_nothing_of_the_graph():
    batches = batches_of()
    for batch in batches:
        batch.raw.requires_grad_()
    assert not prototype_of(batches).vector_P.requires_grad
