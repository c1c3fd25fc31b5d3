"""Blocks of attention over packed tokens, in closed form: which blocks of keys each block of queries sees.

What a token sees are at most two runs of packed tokens: its own segment and its prefix. So the overlap of a block
of keys with what a segment sees is arithmetic on run ends, and a block of queries needs only the least and the
largest overlap of the segments it holds. Nothing of size N x N is made.

Shape legend: N packed tokens, S segments, Q blocks of queries, K blocks of keys (Q = K).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

BLOCK = 128
Ints = NDArray[np.int64]


class Spans(Protocol):
    """The packed tokens of each segment and of its prefix: first, and last plus one."""

    @property
    def starts(self) -> Sequence[int]: ...

    @property
    def stops(self) -> Sequence[int]: ...

    @property
    def prefix_starts(self) -> Sequence[int]: ...

    @property
    def prefix_stops(self) -> Sequence[int]: ...

    @property
    def tokens(self) -> int: ...


@dataclass(frozen=True)
class BlockTables:
    """Which blocks of keys each block of queries sees, and what each token sees.

    `partial_QK`, `full_QK` bool: blocks seen in part, and blocks seen by all their queries in full.
    `runs_4N` int32: for each token the first and last-plus-one token of its own segment and of its prefix.
    """

    partial_QK: Tensor
    full_QK: Tensor
    runs_4N: Tensor

    @classmethod
    def build(cls, layout: Spans, with_prefix: bool) -> BlockTables:
        """Tables of a global layer, or of a within-sequence layer (`with_prefix` false)."""
        starts, stops = np.array(layout.starts), np.array(layout.stops)
        prefix = np.array(layout.prefix_starts), np.array(layout.prefix_stops)
        if not with_prefix:
            prefix = np.zeros_like(starts), np.zeros_like(starts)
        edges = np.arange(0, layout.tokens, BLOCK)
        overlap_SK = _overlap(starts, stops, edges) + _overlap(*prefix, edges)
        first = np.searchsorted(stops, edges, side="right")
        last = np.searchsorted(starts, np.minimum(edges + BLOCK, layout.tokens) - 1, side="right") - 1
        most_QK = _reduce(np.maximum, overlap_SK, first, last)
        least_QK = _reduce(np.minimum, overlap_SK, first, last)
        full = least_QK == BLOCK
        full[-1] &= layout.tokens % BLOCK == 0
        runs = np.stack([starts, stops, *prefix]).astype(np.int32)
        runs_4N = torch.from_numpy(np.repeat(runs, stops - starts, axis=1))
        return cls(torch.from_numpy((most_QK > 0) & ~full), torch.from_numpy(full), runs_4N)

    def to(self, device: torch.device) -> BlockTables:
        """The same tables on `device`."""
        moved = (x.to(device, non_blocking=True) for x in (self.partial_QK, self.full_QK, self.runs_4N))
        return BlockTables(*moved)


def _overlap(starts: Ints, stops: Ints, edges: Ints) -> Ints:
    """Tokens that runs [S] and blocks [K] have in common, [S, K]."""
    low = np.maximum(starts[:, None], edges[None, :])
    high = np.minimum(stops[:, None], edges[None, :] + BLOCK)
    return np.maximum(high - low, 0)


def _reduce(function: np.ufunc, overlap_SK: Ints, first: Ints, last: Ints) -> NDArray[np.int64]:
    """`function` over the segments first..last (inclusive) of every block of queries, [Q, K]."""
    padded = np.concatenate([overlap_SK, overlap_SK[-1:]])  # so that last + 1 is an index
    bounds = np.stack([first, last + 1], axis=1).ravel()
    return function.reduceat(padded, bounds, axis=0)[::2]
