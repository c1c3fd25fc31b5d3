"""The search for a balanced plan of folds: a greedy start, then moves of single groups and swaps of pairs.

Shape legend: G groups, F folds, Q quantities to balance; B groups of a block, J groups that may be the best partner
of a swap, S quantities that are scarce.

A group has few of many ions, so a plan for a hundred ions is judged in two steps: what a move or a swap gains is
first estimated from the quantities the group has at all; only where the estimate leaves the decision open, by more
than rounding can make up, is the cost itself worked out. Results are those of working it out everywhere.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from e1bind.data.groups import PER_ION

MAX_SWEEPS = 20
_SWAPS = 500
"""Groups of a sweep for which a partner is sought."""
_BLOCK = 128
"""Groups of which it is estimated together whether they may move."""
_NOTHING = 1e-9
"""A share of positives below this is rounding, not a residue."""
_LACKING = 1e3
"""Surcharge for an ion without positives in a fold."""
_GAIN = 1e-12
"""Smaller gains are rounding, and would let a search go round in circles."""

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
    return float(_cost(search.load_FQ).sum()), search.fold_G


def _cost(load_FQ: Floats) -> Floats:
    """Cost of each fold [F]: squared shares, and a surcharge for each ion it has no positives of."""
    lacking_F = (load_FQ[..., 2::PER_ION] < _NOTHING).sum(-1)
    return (load_FQ**2).sum(-1) + _LACKING * lacking_F


def _growth(load_FQ: Floats, share_Q: Floats) -> Floats:
    return _cost(load_FQ + share_Q) - _cost(load_FQ)


class _Search:
    """One plan under way: `fold_G`, and what the folds hold of each quantity, `load_FQ`."""

    def __init__(self, share_GQ: Floats, folds: int, rng: np.random.Generator) -> None:
        groups, quantities = share_GQ.shape
        self.rng = rng
        self.share_GQ = share_GQ
        self.share_QG = np.ascontiguousarray(share_GQ.T)
        self.square_G = (share_GQ**2).sum(1)
        self.largest_Q = share_GQ.max(0)
        self.is_positive_Q = np.arange(quantities) % PER_ION == 2
        # (quantity, share) of what a group has.
        self.entries_G: list[list[tuple[int, float]]] = [[] for _ in range(groups)]
        rows, columns = np.nonzero(share_GQ)
        for g, q, share in zip(rows.tolist(), columns.tolist(), share_GQ[rows, columns].tolist(), strict=True):
            self.entries_G[g].append((q, share))
        # Largest first, but only roughly: sizes within a factor of two are shuffled, so that the seed has a say.
        size_G = np.floor(np.log2(share_GQ.max(1) + 1e-12))
        self.order = np.lexsort((rng.permutation(groups), -size_G))
        self.fold_G = np.full(groups, -1)
        self.load_FQ = np.zeros((folds, quantities))

    def start(self) -> None:
        """Put each group where the cost grows least."""
        names_F = self.rng.permutation(len(self.load_FQ))
        for g in self.order:
            growth_F = _growth(self.load_FQ, self.share_GQ[g])
            best = names_F[np.argmin(growth_F[names_F])]
            self.fold_G[g] = best
            self.load_FQ[best] += self.share_GQ[g]

    def _rounding(self) -> float:
        """More than the rounding errors of an estimate and of the cost together."""
        quantities = self.share_GQ.shape[1]
        lacking = int((self.load_FQ[:, 2::PER_ION] < _NOTHING).sum())
        return float(16 * (quantities + 16) * np.finfo(float).eps * (quantities + _LACKING * lacking))

    def move(self) -> bool:
        """Give each group, in turn, to the fold where the total is least; true if any moved."""
        moved = False
        load = self.load_FQ.tolist()  # plain numbers: a group has too few of them for arrays to pay
        for start in range(0, len(self.order), _BLOCK):
            block = self.order[start : start + _BLOCK]
            open_B = self._may_move(block)
            for at, g in enumerate(block.tolist()):
                own, leaves = load[self.fold_G[g]], False
                # Also a group that stays is taken out and put back, for the sake of the same rounding.
                for q, share in self.entries_G[g]:
                    own[q] -= share
                if open_B[at]:
                    growth_F = _growth(np.array(load), self.share_GQ[g])
                    best = int(np.argmin(growth_F))
                    leaves = bool(growth_F[best] < growth_F[self.fold_G[g]] - _GAIN)
                    if leaves:
                        self.fold_G[g], own = best, load[best]
                for q, share in self.entries_G[g]:
                    own[q] += share
                if leaves:
                    self.load_FQ[:], moved = load, True
                    open_B[at + 1 :] = self._may_move(block[at + 1 :])
        self.load_FQ[:] = load
        return moved

    def _may_move(self, groups_B: Ints) -> NDArray[np.bool_]:
        """Whether another fold may be better for each of some groups, up to rounding, [B]."""
        share_BQ, here_B, rows = self.share_GQ[groups_B], self.fold_G[groups_B], np.arange(len(groups_B))
        # Growth of each fold's cost, less the squares of the group's own shares, which are the same for all folds.
        growth_BF = 2 * share_BQ @ self.load_FQ.T
        growth_BF[rows, here_B] -= 2 * self.square_G[groups_B]
        if len(scarce := self._scarce()):
            load_FS, share_BS = self.load_FQ[:, scarce], share_BQ[:, scarce]
            lacking_BFS = np.broadcast_to(load_FS < _NOTHING, (len(groups_B), *load_FS.shape)).copy()
            lacking_BFS[rows, here_B] = load_FS[here_B] - share_BS < _NOTHING
            growth_BF -= _LACKING * (lacking_BFS & (share_BS > 0)[:, None]).sum(2)
        stay_B = growth_BF[rows, here_B]
        growth_BF[rows, here_B] = np.inf
        return stay_B - growth_BF.min(1) > _GAIN - self._rounding()

    def _scarce(self) -> Ints:
        """Positives of which one group may hold all that a fold has, as indices of quantities."""
        return np.flatnonzero((self.load_FQ - self.largest_Q < _NOTHING).any(0) & self.is_positive_Q)

    def swap(self) -> bool:
        """Exchange each of some groups with the best partner in another fold; true if any was exchanged."""
        swapped, open_ = False, self._rounding()
        meeting_FG = self.load_FQ @ self.share_QG
        for g in self.rng.permutation(len(self.fold_G))[:_SWAPS].tolist():
            here = self.fold_G[g]
            estimate_G = self._estimated_gains(g, meeting_FG)
            best = estimate_G.max()
            if best < _GAIN - open_:
                continue
            partners_J = np.flatnonzero(estimate_G >= best - 2 * open_)
            gain_J = self._gains(g, partners_J)
            partner = int(partners_J[np.argmax(gain_J)])
            if gain_J.max() > _GAIN:
                there = self.fold_G[partner]
                delta_Q = self.share_GQ[partner] - self.share_GQ[g]
                self.load_FQ[here] += delta_Q
                self.load_FQ[there] -= delta_Q
                self.fold_G[g], self.fold_G[partner] = there, here
                changed = np.flatnonzero(delta_Q)
                change_G = delta_Q[changed] @ self.share_QG[changed]
                meeting_FG[here] += change_G
                meeting_FG[there] -= change_G
                swapped = True
        return swapped

    def _gains(self, g: int, partners_J: Ints) -> Floats:
        """How far the cost falls where `g` changes places with each partner, [J]."""
        here, there_J = self.fold_G[g], self.fold_G[partners_J]
        delta_JQ = self.share_GQ[partners_J] - self.share_GQ[g]
        before_J = _cost(self.load_FQ)[here] + _cost(self.load_FQ)[there_J]
        return before_J - _cost(self.load_FQ[here] + delta_JQ) - _cost(self.load_FQ[there_J] - delta_JQ)

    def _estimated_gains(self, g: int, meeting_FG: Floats) -> Floats:
        """`_gains` of all groups up to rounding, [G]; minus infinity in the fold of `g`.

        `meeting_FG` are the products of loads and shares, of which the change of the squares is made.
        """
        here, fold_G = self.fold_G[g], self.fold_G
        own = np.array([q for q, _ in self.entries_G[g]], dtype=np.int64)
        common_G = self.share_GQ[g, own] @ self.share_QG[own]
        gain_G = meeting_FG[fold_G, np.arange(len(fold_G))] - meeting_FG[here] - self.square_G + 2 * common_G
        gain_G += (meeting_FG[here, g] - self.square_G[g]) - meeting_FG[fold_G, g]
        gain_G *= 2
        if len(scarce := self._scarce()):
            load_FS, delta_GS = self.load_FQ[:, scarce], self.share_GQ[:, scarce] - self.share_GQ[g, scarce]
            lacking_F = (load_FS < _NOTHING).sum(1)
            gain_G += _LACKING * (lacking_F[here] + lacking_F[fold_G])
            gain_G -= _LACKING * (load_FS[here] + delta_GS < _NOTHING).sum(1)
            gain_G -= _LACKING * (load_FS[fold_G] - delta_GS < _NOTHING).sum(1)
        gain_G[fold_G == here] = -np.inf
        return gain_G
