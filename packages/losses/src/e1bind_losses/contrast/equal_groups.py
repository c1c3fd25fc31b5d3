"""Where two pairs of one group meet in a tile, listed as long as groups are small.

Shape legend: N own valid pairs, K meetings, O = 2 reach + 1 offsets.
"""

from __future__ import annotations

import torch
from torch import Tensor

SMALL_GROUP = 16
"""Up to this many pairs a group is listed, as the views of a residue are. For larger ones, proteins, all rows of a
tile are compared with all columns instead."""


class EqualGroups:
    """All meetings within small groups, row by row, to be looked up tile by tile. The groups [N] ascend.

    Made of many small steps: on the CPU, whatever the device of the products.
    """

    def __init__(self, group_N: Tensor, largest: int) -> None:
        """`largest` is the number of pairs in the largest group."""
        self.reach = largest - 1
        equal_NO = _equal(group_N, self.reach)
        self.row_K, offset_K = equal_NO.nonzero().unbind(1)
        self.col_K = self.row_K + offset_K - self.reach
        self.first = torch.nn.functional.pad(equal_NO.sum(1).cumsum(0), (1, 0))
        """[N + 1]: where the meetings of each row begin, and the end of all."""

    @classmethod
    def of(cls, group_N: Tensor) -> EqualGroups | None:
        """None where a group is too large to list."""
        largest = max(torch.unique_consecutive(group_N, return_counts=True)[1].tolist(), default=1)
        return cls(group_N, largest) if largest <= SMALL_GROUP else None

    def within(self, rows: slice, cols: slice) -> Tensor:
        """Their places in the flattened tile of these rows and columns, which do not lie left of the rows."""
        earliest = max(rows.start, cols.start - self.reach)
        part = slice(int(self.first[earliest]), int(self.first[rows.stop]))
        row_K, col_K = self.row_K[part], self.col_K[part]
        place_K = (row_K - rows.start) * (cols.stop - cols.start) + (col_K - cols.start)
        return place_K[(col_K >= cols.start) & (col_K < cols.stop)]


def _equal(group_N: Tensor, reach: int) -> Tensor:
    """bool [N, O]: at [n, reach + d], whether pairs n and n + d share a group."""
    equal_ON = torch.zeros(2 * reach + 1, len(group_N), dtype=torch.bool, device=group_N.device)
    equal_ON[reach] = True
    for d in range(1, reach + 1):
        equal = group_N[d:] == group_N[:-d]
        equal_ON[reach + d, :-d] = equal
        equal_ON[reach - d, d:] = equal
    return equal_ON.T
