"""Which chains go into a batch: batches of a fixed size, or batches of a token budget over length-sorted pools.

A plan depends on the lengths and the generator only. Every rank makes the whole plan and takes its part of it, so
batches do not change with the number of ranks or workers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Lengths = Sequence[int] | NDArray[np.int64]
Batch = NDArray[np.int64]
"""Indices of the chains of one batch."""


def fixed_batches(lengths: Lengths, batch_size: int, rng: np.random.Generator) -> list[Batch]:
    """Shuffled batches of `batch_size` chains; the last one may be smaller."""
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; at least 1 is needed")
    order = rng.permutation(len(lengths))
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]


def budget_batches(lengths: Lengths, max_tokens: int, rng: np.random.Generator, pool: int) -> list[Batch]:
    """Shuffled batches of chains of similar length, each at most `max_tokens` with its padding.

    The chains are shuffled and dealt into pools of `pool`; each pool is sorted by length and cut into batches.
    Large pools waste less on padding, small ones mix lengths more. A chain above the budget is a batch of its own.
    """
    if pool < 1:
        raise ValueError(f"pool is {pool}; at least 1 chain is needed")
    size = np.asarray(lengths, dtype=np.int64)
    order = rng.permutation(len(size))
    batches: list[Batch] = []
    for start in range(0, len(order), pool):
        chunk = order[start : start + pool]
        batches += cut_by_budget(chunk[np.argsort(size[chunk], kind="stable")], size, max_tokens)
    return [batches[i] for i in rng.permutation(len(batches))]


def cut_by_budget(ascending: Batch, size: NDArray[np.int64], max_tokens: int) -> list[Batch]:
    """Consecutive runs, each as long as count times the longest (its last) chain stays within the budget."""
    batches, start = [], 0
    for stop in range(1, len(ascending) + 1):
        if stop - start > 1 and (stop - start) * size[ascending[stop - 1]] > max_tokens:
            batches.append(ascending[start : stop - 1])
            start = stop - 1
    return [*batches, ascending[start:]] if start < len(ascending) else batches


def padding_share(lengths: Sequence[int], batches: Sequence[Batch]) -> float:
    """Share of tokens that are padding when each batch is padded to its longest chain; 0 without batches."""
    size = np.asarray(lengths, dtype=np.int64)
    padded = sum(len(batch) * int(size[batch].max()) for batch in batches)
    real = sum(int(size[batch].sum()) for batch in batches)
    return 1 - real / padded if padded else 0.0
