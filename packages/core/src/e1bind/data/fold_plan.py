"""Leak-free folds: one fold per chain for all ions of a run, no homology group in two folds, positives balanced.

Shape legend: G groups, F folds, Q quantities to balance (for each ion its chains, labelled residues and positives).

The plan minimises the sum of squared shares, sum over f and q of (load_fq / total_q)^2, which is least when every
fold holds 1/F of everything. Groups are placed largest first, each where the sum grows least; then single groups
move, and pairs swap, as long as that helps. A fold that lacks positives of an ion costs more than any imbalance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from e1bind.contracts import ResidueRecord
from e1bind.data.columns import along, by_chain, order_by_id, picked
from e1bind.data.fold_search import search_plan
from e1bind.data.groups import PER_ION, join_groups, quantities
from e1bind.errors import DataError

RESTARTS = 8
"""Seeded starts; the best plan wins. One is enough for large data, small data have rough landscapes."""


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
    """The fold (1 to `folds`) and the group of related chains of every chain, and a count for each fold and ion."""

    folds: int
    fold_of: Mapping[str, int]
    counts: tuple[FoldCount, ...]
    group_of: Mapping[str, int]

    def split(
        self, records: Sequence[ResidueRecord], fold: int
    ) -> tuple[Sequence[ResidueRecord], Sequence[ResidueRecord]]:
        """The records that train in `fold`, and those it validates on; both in the order given."""
        fold_N = along(records, self.fold_of)
        return picked(records, fold_N != fold), picked(records, fold_N == fold)


def assign_folds(
    records: Sequence[ResidueRecord],
    ions: Sequence[str],
    folds: int,
    groups: Mapping[str, str] | Mapping[str, int] | None,
    seed: int,
) -> FoldPlan:
    """A fold for each chain, a function of the set of records and the seed, not of their order.

    `groups` names the homology cluster of each id (`read_clusters`); None makes each distinct sequence a group.
    Chains of one sequence are always one group. Raises `DataError` where ids have no cluster, where there are fewer
    groups than folds, or where a fold is left without positives of an ion.
    """
    if folds < 2:
        raise DataError(f"cv.folds = {folds}: cross-validation needs at least 2 folds")
    order = order_by_id(records)
    ordered = picked(records, order)
    group_N = join_groups(ordered, groups)
    found = int(group_N.max(initial=-1)) + 1
    if found < folds:
        raise DataError(f"{found} groups of related chains cannot fill {folds} folds; lower cv.folds")
    fold_G = _best_plan(_shares(ordered, group_N, ions, folds), folds, seed)
    counts = _count(quantities(ordered, fold_G[group_N], ions), ions)
    _check_positives(counts, folds)
    as_given = np.empty_like(order)
    as_given[order] = np.arange(len(order))
    fold_of = by_chain(records, fold_G[group_N][as_given] + 1)
    return FoldPlan(folds, fold_of, counts, by_chain(records, group_N[as_given]))


def _shares(
    ordered: Sequence[ResidueRecord], group_N: NDArray[np.int64], ions: Sequence[str], folds: int
) -> NDArray[np.float64]:
    """Each group's share of every quantity, [G, Q]."""
    load_GQ = quantities(ordered, group_N, ions)
    _check_feasible(load_GQ, ions, folds)
    return load_GQ / np.maximum(load_GQ.sum(0), 1)


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


def _best_plan(share_GQ: NDArray[np.float64], folds: int, seed: int) -> NDArray[np.int64]:
    starts = RESTARTS if len(share_GQ) <= 200 else 1
    plans = [search_plan(share_GQ, folds, np.random.default_rng([seed, start])) for start in range(starts)]
    return min(plans, key=lambda plan: plan[0])[1]


def _count(load_FQ: NDArray[np.int64], ions: Sequence[str]) -> tuple[FoldCount, ...]:
    return tuple(
        FoldCount(fold, ion, *load_Q[PER_ION * index : PER_ION * (index + 1)])
        for fold, load_Q in enumerate(load_FQ.tolist(), start=1)
        for index, ion in enumerate(ions)
    )
