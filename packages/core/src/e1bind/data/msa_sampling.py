"""How homologues are weighted and drawn: the context sampling of E1 (its specification, section 10).

Shape legend: N rows of an alignment, row 0 the query; C match columns; K rows drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from e1bind.data.msa import GAP

_BLOCK = 512


def query_similarity(columns_NC: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Share of columns in which a row equals the query, [N]; a gap equals a gap."""
    if not columns_NC.size:
        return np.zeros(len(columns_NC))
    return (columns_NC == columns_NC[0]).mean(axis=1, dtype=np.float64)


def neighbor_counts(columns_NC: NDArray[np.uint8], threshold: float) -> NDArray[np.int32]:
    """Number of rows j near row i, [N]: m_ij / n_j >= threshold, i itself included.

    m_ij counts the columns in which both rows hold the same letter, n_j those in which row j is no gap; so the
    relation is not symmetric. A row of gaps has no neighbours and is nobody's. m is a product of one-hot codes,
    exact in float32; blocks of it serve both of their rows.
    """
    letters = np.setdiff1d(columns_NC, [GAP])
    filled_N = (columns_NC != GAP).sum(axis=1)
    counts_N = np.zeros(len(columns_NC), dtype=np.int32)
    for rows, others in _block_pairs(len(columns_NC)):
        first, second = _one_hot(columns_NC[rows], letters), _one_hot(columns_NC[others], letters)
        match = first @ second.T
        counts_N[rows] += _near(match, filled_N[others], threshold)
        if rows != others:
            counts_N[others] += _near(match.T, filled_N[rows], threshold)
    counts_N[filled_N == 0] = 0
    return counts_N


def _block_pairs(rows: int) -> Iterator[tuple[slice, slice]]:
    blocks = [slice(start, min(start + _BLOCK, rows)) for start in range(0, rows, _BLOCK)]
    yield from ((a, b) for i, a in enumerate(blocks) for b in blocks[i:])


def _one_hot(columns: NDArray[np.uint8], letters: NDArray[np.uint8]) -> NDArray[np.float32]:
    return (columns[:, :, None] == letters).reshape(len(columns), -1).astype(np.float32)


def _near(match: NDArray[np.float32], filled: NDArray[np.int64], threshold: float) -> NDArray[np.int64]:
    # Divided in float64: both sides of the comparison are then the double nearest to their true value.
    share = match.astype(np.float64) / np.maximum(filled, 1)
    return ((share >= threshold) & (filled > 0)).sum(axis=1)


def draw_probabilities(
    similarity_N: NDArray[np.float64], neighbors_N: NDArray[np.int32], low: float, high: float
) -> NDArray[np.float64]:
    """Chance of each row, [N]: 1 / neighbours where low <= similarity <= high, else 0; the sum is 1.

    All zero where no row is eligible. Rows without neighbours (nothing but gaps) are never eligible.
    """
    eligible_N = (similarity_N >= low) & (similarity_N <= high) & (neighbors_N > 0)
    weight_N = np.where(eligible_N, 1.0 / np.maximum(neighbors_N, 1), 0.0)
    total = weight_N.sum()
    return weight_N / total if total else weight_N


def draw_order(
    probability_N: NDArray[np.float64], max_num_samples: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Rows drawn one after the other without replacement, [K]; K is `max_num_samples` or all eligible rows."""
    count = min(max_num_samples, int(np.count_nonzero(probability_N)))
    return rng.choice(len(probability_N), size=count, replace=False, p=probability_N) if count else np.zeros(0, int)


def fitting(lengths_K: Sequence[int] | NDArray[np.int64], max_num_samples: int, max_token_length: int) -> int:
    """How many of the drawn sequences a context keeps: up to the first that would exceed `max_token_length`."""
    total_K = np.cumsum(np.asarray(lengths_K, dtype=np.int64)[:max_num_samples])
    return int(np.searchsorted(total_K, max_token_length, side="right"))
