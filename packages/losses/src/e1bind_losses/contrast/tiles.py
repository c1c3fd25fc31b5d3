"""How the N x N matrix of similarities is cut into tiles, of which only one exists at a time.

Shape legend: N own valid pairs, M pairs of other ranks, A = N + M of both.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from e1bind_losses.contrast.equal_groups import EqualGroups


@dataclass(frozen=True)
class Blocks:
    """Height and width of a tile."""

    rows: int
    cols: int

    @classmethod
    def of(cls, device: torch.device) -> Blocks:
        """Tiles that stay in a CPU core's cache, and ones that fill a GPU."""
        return cls(384, 768) if device.type == "cpu" else cls(4096, 4096)

    @classmethod
    def fused(cls) -> Blocks:
        """Tiles of the fused kernel, written out in half precision: each costs the start of eight kernels."""
        return cls(8192, 8192)


@dataclass(frozen=True)
class Tile:
    """Rows against columns.

    `masked`    rows and columns may share a group, so that equal groups have to be taken out
    `equal_K`   the places, in the flattened tile, where they do; None where these are not listed
    `mirrored`  the transposed tile is not visited: this one stands for both. Not so on the diagonal, which holds
                both halves, and for columns of other ranks, which keep their own sums
    """

    rows: slice
    cols: slice
    masked: bool
    mirrored: bool
    equal_K: Tensor | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.rows.stop - self.rows.start, self.cols.stop - self.cols.start

    @property
    def size(self) -> int:
        """How many similarities the tile holds."""
        return math.prod(self.shape)

    def view(self, buffer: Tensor) -> Tensor:
        """The start of a flat buffer in the shape of the tile."""
        return buffer[: self.size].view(self.shape)


def plan(group_N: Tensor, others: int, blocks: Blocks, *, lists: bool = True) -> list[Tile]:
    """The upper triangle of own pairs against own pairs, then own pairs against `others` pairs of other ranks.

    `group_N` are the groups of the own pairs. Where they ascend, as they do when residues come protein by protein,
    few tiles hold two pairs of one group, and those that hold one group alone are left out. In any other order all
    tiles are masked. `lists` makes lists of equal pairs, as far as groups are small.
    """
    N, device = len(group_N), group_N.device
    group_N = group_N.cpu()
    ascending = bool((group_N.diff() >= 0).all())
    listed = EqualGroups.of(group_N) if ascending and lists else None
    group_at = group_N.numpy()  # single numbers are looked up ten times as fast there
    tiles = []
    for rows in _spans(0, N, blocks.rows):
        for cols in (rows, *_spans(rows.stop, N, blocks.cols)):
            if ascending and group_at[rows.start] == group_at[cols.stop - 1]:
                continue
            masked = not ascending or bool(group_at[rows.stop - 1] >= group_at[cols.start])
            equal_K = listed.within(rows, cols).to(device) if masked and listed else None
            tiles.append(Tile(rows, cols, masked, mirrored=cols is not rows, equal_K=equal_K))
        for cols in _spans(N, N + others, blocks.cols):
            tiles.append(Tile(rows, cols, masked=False, mirrored=False))
    return tiles


def _spans(start: int, stop: int, width: int) -> Iterator[slice]:
    for left in range(start, stop, width):
        yield slice(left, min(left + width, stop))
