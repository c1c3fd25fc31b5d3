"""The search for folds gives what working out every cost gives, to the last group."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from e1bind.contracts import ResidueRecord
from e1bind.data.clusters import read_clusters
from e1bind.data.fold_plan import assign_folds
from e1bind.data.fold_search import MAX_SWEEPS, search_plan
from e1bind.data.groups import PER_ION, join_groups, quantities
from e1bind.data.records import merge_ions
from e1bind.readers.fasta3 import read_fasta3

Floats = NDArray[np.float64]

# -------------------------------------------------------- the search, every cost worked out for every group


def slow_plan(
    share_GQ: NDArray[np.float64], folds: int, rng: np.random.Generator
) -> tuple[float, NDArray[np.int64]]:
    """Cost and fold [G] of a plan made greedily and then improved."""
    groups, quantities = share_GQ.shape
    # Largest first, but only roughly: sizes within a factor of two are shuffled, so that the seed has a say.
    size_G = np.floor(np.log2(share_GQ.max(1) + 1e-12))
    order = np.lexsort((rng.permutation(groups), -size_G))
    fold_G = np.full(groups, -1)
    load_FQ = np.zeros((folds, quantities))
    names_F = rng.permutation(folds)
    for g in order:
        growth_F = slow_growth(load_FQ, share_GQ[g])
        best = names_F[np.argmin(growth_F[names_F])]
        fold_G[g] = best
        load_FQ[best] += share_GQ[g]
    for _ in range(MAX_SWEEPS):
        moved = slow_move(share_GQ, fold_G, load_FQ, order)
        if not (moved or slow_swap(share_GQ, fold_G, load_FQ, rng)):
            break
    return float(slow_cost(load_FQ).sum()), fold_G


def slow_cost(load_FQ: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cost of each fold [F]: squared shares, and a surcharge for each ion it has no positives of."""
    lacking_F = (load_FQ[..., 2::PER_ION] < 1e-9).sum(-1)
    return (load_FQ**2).sum(-1) + 1e3 * lacking_F


def slow_growth(load_FQ: NDArray[np.float64], share_Q: NDArray[np.float64]) -> NDArray[np.float64]:
    return slow_cost(load_FQ + share_Q) - slow_cost(load_FQ)


def slow_move(
    share_GQ: NDArray[np.float64], fold_G: NDArray[np.int64], load_FQ: NDArray[np.float64], order: NDArray[np.int64]
) -> bool:
    """Give each group, in turn, to the fold where the total is least; true if any moved."""
    moved = False
    for g in order:
        here = fold_G[g]
        load_FQ[here] -= share_GQ[g]
        growth_F = slow_growth(load_FQ, share_GQ[g])
        best = int(np.argmin(growth_F))
        if growth_F[best] < growth_F[here] - 1e-12:
            fold_G[g], moved = best, True
        load_FQ[fold_G[g]] += share_GQ[g]
    return moved


def slow_swap(
    share_GQ: NDArray[np.float64], fold_G: NDArray[np.int64], load_FQ: NDArray[np.float64], rng: np.random.Generator
) -> bool:
    """Exchange each of some groups with the best partner in another fold; true if any was exchanged."""
    swapped = False
    for g in rng.permutation(len(fold_G))[:500]:
        here, there_G = fold_G[g], fold_G
        delta_GQ = share_GQ - share_GQ[g]
        before_G = slow_cost(load_FQ)[here] + slow_cost(load_FQ)[there_G]
        gain_G = before_G - slow_cost(load_FQ[here] + delta_GQ) - slow_cost(load_FQ[there_G] - delta_GQ)
        gain_G[there_G == here] = 0
        partner = int(np.argmax(gain_G))
        if gain_G[partner] > 1e-12:
            load_FQ[here] += delta_GQ[partner]
            load_FQ[fold_G[partner]] -= delta_GQ[partner]
            fold_G[g], fold_G[partner] = fold_G[partner], here
            swapped = True
    return swapped


# -----------------------------------------------------------------


def agree(load_GQ: NDArray[np.int64], folds: int, seed: int) -> None:
    share_GQ = load_GQ / np.maximum(load_GQ.sum(0), 1)
    cost, fold_G = search_plan(share_GQ, folds, np.random.default_rng([seed, 0]))
    slow_cost, slow_fold_G = slow_plan(share_GQ, folds, np.random.default_rng([seed, 0]))
    assert fold_G.tolist() == slow_fold_G.tolist()
    assert cost == slow_cost


def random_loads(seed: int, groups: int, ions: int, rare: int) -> NDArray[np.int64]:
    """Groups with a few of many ions each; `rare` ions are bound by hardly more groups than there are folds."""
    rng = np.random.default_rng(seed)
    load_GIP = np.zeros((groups, ions, PER_ION), dtype=np.int64)
    for load_IP in load_GIP:
        for ion in rng.choice(ions, size=int(rng.integers(1, min(ions, 4) + 1)), replace=False):
            chains = int(rng.geometric(0.5))
            residues = int(rng.integers(30, 500)) * chains
            load_IP[ion] = chains, residues, rng.binomial(residues, 0.02)
    for ion in range(rare):
        load_GIP[:, ion, 2] = 0
        load_GIP[rng.choice(groups, 6, replace=False), ion, 2] = 3
    return load_GIP.reshape(groups, -1)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("groups", "ions", "rare"), [(12, 1, 0), (60, 2, 1), (150, 4, 2), (250, 30, 5)])
def test_plans_equal_those_of_the_full_search(seed: int, groups: int, ions: int, rare: int) -> None:
    for folds in (2, 3, 5):
        agree(random_loads(seed, groups, ions, rare), folds, seed)


@pytest.mark.parametrize("seed", range(3))
def test_plans_of_equal_groups_equal_those_of_the_full_search(seed: int) -> None:
    """Ties everywhere: which of many equal groups moves is decided by their order, not by rounding."""
    agree(np.tile([[1, 50, 2]], (40, 1)), 3, seed)
    agree(np.tile([[1, 50, 2, 0, 0, 0], [0, 0, 0, 1, 30, 1]], (30, 1)), 4, seed)
    agree(np.tile([[1, 50, 0], [2, 70, 1], [1, 50, 2]], (20, 1)), 5, seed)


def loads_of(folder: Path, ions: tuple[str, ...], clusters: str) -> NDArray[np.int64]:
    records = merge_ions({ion: read_fasta3(folder / f"{ion}_train.fasta", ion) for ion in ions})
    ordered = sorted(records, key=lambda record: record.id)
    return quantities(
        ordered, join_groups(ordered, read_clusters(folder / clusters, [r.id for r in records])), ions
    )


def test_plans_of_the_examples_equal_those_of_the_full_search(root: Path) -> None:
    load_GQ = loads_of(root / "examples" / "data", ("ZN", "CA", "MG"), "clusters.tsv")
    for seed in range(3):
        agree(load_GQ, 3, seed)


@pytest.mark.slow
def test_plans_of_the_shared_data_equal_those_of_the_full_search(shared: Path) -> None:
    load_GQ = loads_of(shared / "data" / "metal_binding", ("ZN", "CA", "MG", "MN"), "clusters_id30.tsv")
    agree(load_GQ, 5, 1)


@pytest.mark.slow
def test_a_hundred_ions_fall_into_folds_that_all_bind_each() -> None:
    rng = np.random.default_rng(0)
    ions = [f"I{i}" for i in range(100)]
    records = []
    for i in range(5000):
        length = int(rng.integers(30, 400))
        known = rng.choice(ions, size=int(rng.integers(1, 5)), replace=False)
        labels = {str(ion): (rng.random(length) < 0.05).astype(np.int8) for ion in known}
        records.append(ResidueRecord(f"p{i}", "".join(rng.choice(list("ACDEFGHIKL"), length)), labels))
    plan = assign_folds(records, ions, 5, None, 1)
    assert min(count.positives for count in plan.counts) > 0
