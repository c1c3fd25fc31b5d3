"""What a move or a swap of groups between folds gains, estimated for many groups at once, up to rounding.

Shape legend: G groups, F folds, Q quantities to balance; B groups of a block, S quantities that are scarce.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from e1bind.data.fold_costs import GAIN, LACKING, NOTHING, POSITIVES, rounding

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Estimates:
    """Estimates for the groups with the shares `share_GQ`."""

    def __init__(self, share_GQ: Floats) -> None:
        self.share_GQ = share_GQ
        self.square_G = np.einsum("gq,gq->g", share_GQ, share_GQ)
        self.largest_Q = share_GQ.max(0)
        self._having: dict[int, Ints] = {}

    def may_move(self, groups_B: Ints, here_B: Ints, load_FQ: Floats) -> NDArray[np.bool_]:
        """Whether a fold other than `here_B` may be better for each of some groups, up to rounding, [B]."""
        share_BQ, rows = self.share_GQ[groups_B], np.arange(len(groups_B))
        # Growth of each fold's cost, less the squares of the group's own shares, which are the same for all folds.
        growth_BF = 2 * share_BQ @ load_FQ.T
        growth_BF[rows, here_B] -= 2 * self.square_G[groups_B]
        if len(scarce := self.scarce(load_FQ)):
            load_FS, share_BS = load_FQ[:, scarce], share_BQ[:, scarce]
            lacking_BFS = np.broadcast_to(load_FS < NOTHING, (len(groups_B), *load_FS.shape)).copy()
            lacking_BFS[rows, here_B] = load_FS[here_B] - share_BS < NOTHING
            growth_BF -= LACKING * (lacking_BFS & (share_BS > 0)[:, None]).sum(2)
        stay_B = growth_BF[rows, here_B]
        growth_BF[rows, here_B] = np.inf
        return stay_B - growth_BF.min(1) > GAIN - rounding(load_FQ)

    def having(self, q: int) -> Ints:
        """The groups that have some of a quantity."""
        if q not in self._having:
            self._having[q] = np.flatnonzero(self.share_GQ[:, q])
        return self._having[q]

    def scarce(self, load_FQ: Floats) -> Ints:
        """Positives of which one group may hold all that a fold has, as indices of quantities."""
        positive = np.arange(load_FQ.shape[1])[POSITIVES]
        return positive[(load_FQ[:, positive] - self.largest_Q[positive] < NOTHING).any(0)]


class Partners:
    """Estimates for swaps. Follows `fold_G`: each swap must be told.

    Of what a swap gains the part that depends on the partner is its product with a vector of its fold, less its
    squares. All products are one: that of a sparse matrix, in which a group has its shares in the columns of its
    fold, with the vectors one after the other.
    """

    def __init__(self, estimates: Estimates, fold_G: Ints, folds: int) -> None:
        from scipy.sparse import csr_array

        share_GQ = estimates.share_GQ
        groups, self.quantities = share_GQ.shape
        self.estimates, self.fold_G = estimates, fold_G
        self.squares_G = 2 * estimates.square_G
        some_GQ = share_GQ != 0
        ends = np.cumsum(some_GQ.sum(1), dtype=np.int32)
        begins_G, within_Q = (fold_G * self.quantities).astype(np.int32), np.arange(self.quantities, dtype=np.int32)
        columns = np.add.outer(begins_G, within_Q)[some_GQ]
        shape = (groups, folds * self.quantities)
        self.shares = csr_array((share_GQ[some_GQ], columns, np.concatenate([[0], ends])), shape=shape)

    def gains(self, g: int, load_FQ: Floats) -> Floats:
        """How far the cost falls where `g` changes places with each group, [G]; minus infinity in its own fold."""
        here, share_Q = self.fold_G[g], self.estimates.share_GQ[g]
        vector_FQ = 2 * (load_FQ - load_FQ[here]) + 4 * share_Q
        constant_F = 2 * ((load_FQ[here] - load_FQ) @ share_Q - self.estimates.square_G[g])
        supplies = [self._supply(q, g, load_FQ[:, q]) for q in self.estimates.scarce(load_FQ).tolist()]
        for supply_F, _, _ in supplies:
            constant_F += LACKING * supply_F
        constant_F[here] = -np.inf
        gain_G: Floats = self.shares @ vector_FQ.ravel()
        gain_G += constant_F[self.fold_G]
        gain_G -= self.squares_G
        for _, having, more in supplies:
            gain_G[having] += LACKING * more
        return gain_G

    def _supply(self, q: int, g: int, load_F: Floats) -> tuple[Ints, Ints, Ints]:
        """How many of the two folds lack the quantity no more after a swap with a group that has none of it, by the
        group's fold [F]; the groups that have some; and how many more it is for each of these.
        """
        own, here = self.estimates.share_GQ[g, q], self.fold_G[g]
        lacking_F = (load_F < NOTHING).astype(np.int64)
        without_F = lacking_F[here] + lacking_F - (load_F[here] - own < NOTHING) - (load_F + own < NOTHING)
        having = self.estimates.having(q)
        fold, delta = self.fold_G[having], self.estimates.share_GQ[having, q] - own
        after = (load_F[here] + delta < NOTHING).astype(np.int64) + (load_F[fold] - delta < NOTHING)
        return without_F, having, lacking_F[here] + lacking_F[fold] - after - without_F[fold]

    def swap(self, one: int, other: int) -> None:
        """Two groups have changed places, and `fold_G` says so already."""
        for g, before in ((one, self.fold_G[other]), (other, self.fold_G[one])):
            own = slice(self.shares.indptr[g], self.shares.indptr[g + 1])
            self.shares.indices[own] += (self.fold_G[g] - before) * self.quantities
