"""Leak-free folds: one fold per chain for all ions of a run, no homology group in two folds, positives balanced.

Shape legend: G groups, F folds, Q quantities to balance (for each ion its chains, labelled residues and positives).

The plan minimises the sum of squared shares, sum over f and q of (load_fq / total_q)^2, which is least when every
fold holds 1/F of everything. Groups are placed largest first, each where the sum grows least; then single groups
move, and pairs swap, as long as that helps. A fold that lacks positives of an ion costs more than any imbalance.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from e1bind.contracts import ResidueRecord
from e1bind.errors import DataError

PER_ION = 3
"""Quantities balanced for each ion: chains, labelled residues, positives; the last one must be in every fold."""
RESTARTS = 8
"""Seeded starts; the best plan wins. One is enough for large data, small data have rough landscapes."""
MAX_SWEEPS = 20


@dataclass(frozen=True)
class FoldCount:
    """What a fold holds of one ion."""

    fold: int
    ion: str
    proteins: int
    residues: int
    positives: int


@dataclass(frozen=True)
class FoldPlan:
    """The fold (1 to `folds`) of every chain, and a count for each fold and ion."""

    folds: int
    fold_of: Mapping[str, int]
    counts: tuple[FoldCount, ...]

    def split(self, records: Sequence[ResidueRecord], fold: int) -> tuple[list[ResidueRecord], list[ResidueRecord]]:
        """The records that train in `fold`, and those it validates on; both in the order given."""
        train = [record for record in records if self.fold_of[record.id] != fold]
        return train, [record for record in records if self.fold_of[record.id] == fold]


def assign_folds(
    records: Sequence[ResidueRecord],
    ions: Sequence[str],
    folds: int,
    groups: Mapping[str, str] | None,
    seed: int,
) -> FoldPlan:
    """A fold for each chain, a function of the set of records and the seed, not of their order.

    `groups` names the homology cluster of each id (`read_clusters`); None makes each distinct sequence a group.
    Chains of one sequence are always one group. Raises `DataError` where ids have no cluster, where there are fewer
    groups than folds, or where a fold is left without positives of an ion.
    """
    if folds < 2:
        raise DataError(f"cv.folds = {folds}: cross-validation needs at least 2 folds")
    ordered = sorted(records, key=lambda record: record.id)
    members = _join_groups(ordered, groups)
    if len(members) < folds:
        raise DataError(f"{len(members)} groups of related chains cannot fill {folds} folds; lower cv.folds")
    load_GQ = np.stack([_quantities([ordered[i] for i in group], ions) for group in members])
    _check_feasible(load_GQ, ions, folds)
    fold_G = _best_plan(load_GQ, folds, seed)
    fold_of = {ordered[i].id: int(fold_G[g]) + 1 for g, group in enumerate(members) for i in group}
    counts = _count(load_GQ, fold_G, ions, folds)
    _check_positives(counts, folds)
    return FoldPlan(folds, {record.id: fold_of[record.id] for record in records}, counts)


def _join_groups(records: Sequence[ResidueRecord], groups: Mapping[str, str] | None) -> list[list[int]]:
    """Indices of the records of each group, joined over clusters and over identical sequences."""
    if groups is not None and (missing := [record.id for record in records if record.id not in groups]):
        raise DataError(f"{len(missing)} chains have no homology group ({', '.join(missing[:10])})")
    parent = list(range(len(records)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    first: dict[tuple[str, str], int] = {}
    for i, record in enumerate(records):
        keys = [("sequence", record.sequence)]
        if groups is not None:
            keys.append(("cluster", groups[record.id]))
        for key in keys:
            a, b = sorted((root(first.setdefault(key, i)), root(i)))
            parent[b] = a
    members: dict[int, list[int]] = defaultdict(list)
    for i in range(len(records)):
        members[root(i)].append(i)
    return list(members.values())


def _quantities(records: Sequence[ResidueRecord], ions: Sequence[str]) -> NDArray[np.int64]:
    """Chains, labelled residues and positives of each ion, [Q]."""
    values = []
    for ion in ions:
        labels = [record.labels[ion] for record in records if ion in record.labels]
        values += [len(labels), sum(int((x >= 0).sum()) for x in labels), sum(int((x == 1).sum()) for x in labels)]
    return np.array(values, dtype=np.int64)


def _check_feasible(load_GQ: NDArray[np.int64], ions: Sequence[str], folds: int) -> None:
    for index, ion in enumerate(ions):
        holding = int((load_GQ[:, PER_ION * index + 2] > 0).sum())
        if holding < folds:
            lower = f"lower cv.folds to {holding}, or " if holding >= 2 else ""
            raise DataError(
                f"fold {holding + 1} of {folds} has no positives of {ion}: they stand in {holding} "
                f"group{'' if holding == 1 else 's'} of related chains; {lower}add unrelated chains that bind {ion}"
            )


def _check_positives(counts: Sequence[FoldCount], folds: int) -> None:
    for count in counts:
        if count.positives == 0:
            raise DataError(
                f"fold {count.fold} of {folds} has no positives of {count.ion}; lower cv.folds, "
                f"or add chains that bind {count.ion}"
            )


def _best_plan(load_GQ: NDArray[np.int64], folds: int, seed: int) -> NDArray[np.int64]:
    total_Q = np.maximum(load_GQ.sum(0), 1)
    share_GQ = load_GQ / total_Q
    starts = RESTARTS if len(load_GQ) <= 200 else 1
    plans = [_one_plan(share_GQ, folds, np.random.default_rng([seed, start])) for start in range(starts)]
    return min(plans, key=lambda plan: plan[0])[1]


def _one_plan(
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
        growth_F = _growth(load_FQ, share_GQ[g])
        best = names_F[np.argmin(growth_F[names_F])]
        fold_G[g] = best
        load_FQ[best] += share_GQ[g]
    for _ in range(MAX_SWEEPS):
        moved = _move(share_GQ, fold_G, load_FQ, order)
        if not (moved or _swap(share_GQ, fold_G, load_FQ, rng)):
            break
    return float(_cost(load_FQ).sum()), fold_G


def _cost(load_FQ: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cost of each fold [F]: squared shares, and a surcharge for each ion it has no positives of."""
    lacking_F = (load_FQ[..., 2::PER_ION] < 1e-9).sum(-1)
    return (load_FQ**2).sum(-1) + 1e3 * lacking_F


def _growth(load_FQ: NDArray[np.float64], share_Q: NDArray[np.float64]) -> NDArray[np.float64]:
    return _cost(load_FQ + share_Q) - _cost(load_FQ)


def _move(
    share_GQ: NDArray[np.float64], fold_G: NDArray[np.int64], load_FQ: NDArray[np.float64], order: NDArray[np.int64]
) -> bool:
    """Give each group, in turn, to the fold where the total is least; true if any moved."""
    moved = False
    for g in order:
        here = fold_G[g]
        load_FQ[here] -= share_GQ[g]
        growth_F = _growth(load_FQ, share_GQ[g])
        best = int(np.argmin(growth_F))
        if growth_F[best] < growth_F[here] - 1e-12:
            fold_G[g], moved = best, True
        load_FQ[fold_G[g]] += share_GQ[g]
    return moved


def _swap(
    share_GQ: NDArray[np.float64], fold_G: NDArray[np.int64], load_FQ: NDArray[np.float64], rng: np.random.Generator
) -> bool:
    """Exchange each of some groups with the best partner in another fold; true if any was exchanged."""
    swapped = False
    for g in rng.permutation(len(fold_G))[:500]:
        here, there_G = fold_G[g], fold_G
        delta_GQ = share_GQ - share_GQ[g]
        before_G = _cost(load_FQ)[here] + _cost(load_FQ)[there_G]
        gain_G = before_G - _cost(load_FQ[here] + delta_GQ) - _cost(load_FQ[there_G] - delta_GQ)
        gain_G[there_G == here] = 0
        partner = int(np.argmax(gain_G))
        if gain_G[partner] > 1e-12:
            load_FQ[here] += delta_GQ[partner]
            load_FQ[fold_G[partner]] -= delta_GQ[partner]
            fold_G[g], fold_G[partner] = fold_G[partner], here
            swapped = True
    return swapped


def _count(
    load_GQ: NDArray[np.int64], fold_G: NDArray[np.int64], ions: Sequence[str], folds: int
) -> tuple[FoldCount, ...]:
    counts = []
    for fold in range(folds):
        load_Q = load_GQ[fold_G == fold].sum(0)
        for index, ion in enumerate(ions):
            proteins, residues, positives = (int(x) for x in load_Q[PER_ION * index : PER_ION * (index + 1)])
            counts.append(FoldCount(fold + 1, ion, proteins, residues, positives))
    return tuple(counts)
