"""The search for a balanced plan of folds: a greedy start, then moves of single groups and swaps of pairs.

Shape legend: G groups, F folds, Q quantities to balance; B groups of a block, J groups that may be the best partner
of a swap.

A group has few of many ions, and there may be half a million groups, so a plan is judged in two steps: what a move
or a swap gains is first estimated, for many groups at once and from the quantities they have at all; only where the
estimate leaves the decision open, by more than rounding can make up, is the cost itself worked out. Results are
those of working it out everywhere.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from e1bind.data.fold_costs import GAIN, NOTHING, POSITIVES, cost, growth, rounding
from e1bind.data.fold_estimates import Estimates, Partners

MAX_SWEEPS = 20
_SWAPS = 500
"""Groups of a sweep for which a partner is sought."""
_BLOCK = 128
"""Groups of which it is estimated together whether they may move."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def search_plan(share_GQ: Floats, folds: int, rng: np.random.Generator) -> tuple[float, Ints]:
    """Cost and fold [G] of a plan made greedily and then improved."""
    search = _Search(share_GQ, folds, rng)
    search.start()
    for _ in range(MAX_SWEEPS):
        moved = search.move()
        if not (moved or search.swap()):
            break
    return float(cost(search.load_FQ).sum()), search.fold_G


class _Search:
    """One plan under way: `fold_G`, and what the folds hold of each quantity, `load_FQ`."""

    def __init__(self, share_GQ: Floats, folds: int, rng: np.random.Generator) -> None:
        groups, quantities = share_GQ.shape
        self.rng = rng
        self.share_GQ = share_GQ
        self.estimates = Estimates(share_GQ)
        # Largest first, but only roughly: sizes within a factor of two are shuffled, so that the seed has a say.
        size_G = np.floor(np.log2(share_GQ.max(1) + 1e-12))
        self.order = np.lexsort((rng.permutation(groups), -size_G))
        self.fold_G = np.full(groups, -1)
        self.load_FQ = np.zeros((folds, quantities))

    def start(self) -> None:
        """Put each group where the cost grows least."""
        names_F = self.rng.permutation(len(self.load_FQ))
        load_FQ = self.load_FQ[names_F]
        before_F, lacking = cost(load_FQ), True
        for g in self.order:
            after_FQ = load_FQ + self.share_GQ[g]
            after_F = cost(after_FQ, lacking)
            best = (after_F - before_F).argmin()
            self.fold_G[g] = names_F[best]
            load_FQ[best], before_F[best] = after_FQ[best], after_F[best]
            # What every fold has by now it does not lack again.
            lacking = lacking and bool((load_FQ[:, POSITIVES] < NOTHING).any())
        self.load_FQ[names_F] = load_FQ

    def move(self) -> bool:
        """Give each group, in turn, to the fold where the total is least; true if any moved."""
        moved = False
        for start in range(0, len(self.order), _BLOCK):
            block = self.order[start : start + _BLOCK]
            open_B = self.estimates.may_move(block, self.fold_G[block], self.load_FQ)
            if open_B.any() or not self._stays_as_it_is(block):
                moved |= self._move_block(block, open_B)
        return moved

    def _stays_as_it_is(self, block: Ints) -> bool:
        """Whether no load changes, not even by rounding, where the groups are taken out and put back in turn."""
        own_BQ, share_BQ = self.load_FQ[self.fold_G[block]], self.share_GQ[block]
        return bool(((own_BQ - share_BQ) + share_BQ == own_BQ).all())

    def _move_block(self, block: Ints, open_B: NDArray[np.bool_]) -> bool:
        moved = False
        load = self.load_FQ.tolist()  # plain numbers: a group has too few of them for arrays to pay
        for at, (g, entries) in enumerate(zip(block.tolist(), _entries(self.share_GQ[block]), strict=True)):
            own, leaves = load[self.fold_G[g]], False
            # Also a group that stays is taken out and put back, for the sake of the same rounding.
            for q, share in entries:
                own[q] -= share
            if open_B[at]:
                growth_F = growth(np.array(load), self.share_GQ[g])
                best = int(np.argmin(growth_F))
                leaves = bool(growth_F[best] < growth_F[self.fold_G[g]] - GAIN)
                if leaves:
                    self.fold_G[g], own = best, load[best]
            for q, share in entries:
                own[q] += share
            if leaves:
                self.load_FQ[:], moved = load, True
                rest = block[at + 1 :]
                open_B[at + 1 :] = self.estimates.may_move(rest, self.fold_G[rest], self.load_FQ)
        self.load_FQ[:] = load
        return moved

    def swap(self) -> bool:
        """Exchange each of some groups with the best partner in another fold; true if any was exchanged."""
        swapped, open_ = False, rounding(self.load_FQ)
        partners = Partners(self.estimates, self.fold_G, len(self.load_FQ))
        for g in self.rng.permutation(len(self.fold_G))[:_SWAPS].tolist():
            here = self.fold_G[g]
            estimate_G = partners.gains(g, self.load_FQ)
            best = estimate_G.max()
            if best < GAIN - open_:
                continue
            partners_J = np.flatnonzero(estimate_G >= best - 2 * open_)
            gain_J = self._gains(g, partners_J)
            partner = int(partners_J[np.argmax(gain_J)])
            if gain_J.max() > GAIN:
                there = self.fold_G[partner]
                delta_Q = self.share_GQ[partner] - self.share_GQ[g]
                self.load_FQ[here] += delta_Q
                self.load_FQ[there] -= delta_Q
                self.fold_G[g], self.fold_G[partner] = there, here
                partners.swap(g, partner)
                swapped = True
        return swapped

    def _gains(self, g: int, partners_J: Ints) -> Floats:
        """How far the cost falls where `g` changes places with each partner, [J]."""
        here, there_J = self.fold_G[g], self.fold_G[partners_J]
        delta_JQ = self.share_GQ[partners_J] - self.share_GQ[g]
        before_J = cost(self.load_FQ)[here] + cost(self.load_FQ)[there_J]
        return before_J - cost(self.load_FQ[here] + delta_JQ) - cost(self.load_FQ[there_J] - delta_JQ)


def _entries(share_BQ: Floats) -> list[list[tuple[int, float]]]:
    """Of each group the quantities it has, with their shares."""
    found: list[list[tuple[int, float]]] = [[] for _ in range(len(share_BQ))]
    rows, columns = np.nonzero(share_BQ)
    for b, q, share in zip(rows.tolist(), columns.tolist(), share_BQ[rows, columns].tolist(), strict=True):
        found[b].append((q, share))
    return found
