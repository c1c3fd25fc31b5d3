"""How homologues are weighted and drawn: the context sampling of E1 (its specification, section 10).

Shape legend: N rows of an alignment, row 0 the query; U distinct rows; C match columns; K rows drawn.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from e1bind.data.msa_chain import GAP

_FEW, _MANY = 16, 2048
"""Rows that are compared with so many others at a time, so that the pairs stay in the processor's cache."""
_WORDS = 3
"""Words of 64 bits whose differences a byte can count."""


def query_similarity(columns_NC: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Share of columns in which a row equals the query, [N]; a gap equals a gap."""
    if not columns_NC.size:
        return np.zeros(len(columns_NC))
    return (columns_NC == columns_NC[0]).mean(axis=1, dtype=np.float64)


def neighbor_counts(columns_NC: NDArray[np.uint8], threshold: float) -> NDArray[np.int32]:
    """Number of rows j near row i, [N]: m_ij / n_j >= threshold, i itself included.

    m_ij counts the columns in which both rows hold the same letter, n_j those in which row j is no gap; so the
    relation is not symmetric. A row of gaps has no neighbours and is nobody's. m is counted in bits,
    64 columns at once, and serves both of its rows.
    """
    counts_N = np.zeros(len(columns_NC), dtype=np.int32)
    filled_N = np.flatnonzero((columns_NC != GAP).any(axis=1))
    if len(filled_N):
        # Rows of gaps need no products, and equal rows need them once.
        rows_UC, first_N, times_U = _distinct(columns_NC[filled_N])
        counts_N[filled_N] = _distinct_counts(rows_UC, times_U.astype(np.float64), threshold)[first_N]
    return counts_N


def _distinct(columns_NC: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """The U distinct rows [U, C], which of them each row is [N], and how many rows each of them is [U]."""
    rows_N = np.ascontiguousarray(columns_NC).view(np.dtype((np.void, columns_NC.shape[1])))[:, 0]
    _, first_U, inverse_N, times_U = np.unique(rows_N, return_index=True, return_inverse=True, return_counts=True)
    return columns_NC[first_U], inverse_N, times_U


def _distinct_counts(
    rows_UC: NDArray[np.uint8], times_U: NDArray[np.float64], threshold: float
) -> NDArray[np.float64]:
    """`neighbor_counts` of distinct rows that stand for `times_U` rows each: whole numbers, as floats for speed."""
    bits = _RowBits(rows_UC)
    enough_U = _enough((rows_UC != GAP).sum(axis=1), threshold)
    counts_U = np.zeros(len(rows_UC))
    for start in range(0, len(rows_UC), _FEW):
        rows = slice(start, min(start + _FEW, len(rows_UC)))
        for begin in range(start, len(rows_UC), _MANY):
            others = slice(begin, min(begin + _MANY, len(rows_UC)))
            match = bits.matches(rows, others)
            counts_U[rows] += (match >= enough_U[others]) @ times_U[others]
            # Among themselves the rows have counted each other already.
            beyond = slice(max(others.start, rows.stop), others.stop)
            if beyond.start < beyond.stop:
                near = match[:, beyond.start - others.start :] >= enough_U[rows, None]
                counts_U[beyond] += times_U[rows] @ near
    return counts_U


class _RowBits:
    """Rows of letters as bits: for each of P digits of a letter's number one bit a column, in W words of 64.

    `digits` [P, W, U]; a gap has the number 0. `filled` [W, U]: a bit for each column that is no gap.
    """

    def __init__(self, rows_UC: NDArray[np.uint8]) -> None:
        letters = np.setdiff1d(rows_UC, [GAP])
        number = np.zeros(256, np.uint8)
        number[letters] = np.arange(1, len(letters) + 1)
        numbers_UC = number[rows_UC]
        digits = [(numbers_UC >> np.uint8(digit)) & np.uint8(1) for digit in range(len(letters).bit_length())]
        self.digits = np.stack([_words(digit) for digit in digits])
        self.filled = _words((numbers_UC != 0).astype(np.uint8))
        self.filled_U = (numbers_UC != 0).sum(axis=1, dtype=np.int32)

    def matches(self, rows: slice, others: slice) -> NDArray[np.int32]:
        """Columns in which some rows hold the letter that others hold, for each pair, [rows, others]."""
        shape = rows.stop - rows.start, others.stop - others.start
        differ, digit_differs = np.empty(shape, np.uint64), np.empty(shape, np.uint64)
        some, more = np.empty(shape, np.uint8), np.empty(shape, np.uint8)
        # What one row has in a column and the other has not is a mismatch; the rest of its columns are matches.
        match = np.broadcast_to(self.filled_U[rows, None], shape).copy()
        for word, filled in enumerate(self.filled):
            first, *digits = self.digits[:, word]
            np.bitwise_xor(first[rows, None], first[others], out=differ)
            for digit in digits:
                np.bitwise_xor(digit[rows, None], digit[others], out=digit_differs)
                np.bitwise_or(differ, digit_differs, out=differ)
            np.bitwise_and(differ, filled[rows, None], out=differ)
            np.bitwise_count(differ, out=more)
            if word % _WORDS == 0:
                some, more = more, some
            else:
                some += more
            if word % _WORDS == _WORDS - 1 or word == len(self.filled) - 1:
                match -= some
        return match


def _words(bits_UC: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Bits of 0 and 1, 64 columns in a word, [W, U]."""
    packed = np.packbits(bits_UC, axis=1)
    packed = np.pad(packed, ((0, 0), (0, -packed.shape[1] % 8)))
    return np.ascontiguousarray(packed.view(np.uint64).T)


def _enough(filled_U: NDArray[np.int64], threshold: float) -> NDArray[np.float32]:
    """Fewest matches that are a share of at least `threshold` of so many columns, [U]."""
    sizes, size_U = np.unique(filled_U, return_inverse=True)
    # Divided in float64: both sides of the comparison are then the double nearest to their true value.
    fewest = [np.searchsorted(np.arange(size + 1) / size, threshold) for size in sizes.tolist()]
    return np.array(fewest, dtype=np.float32)[size_U]


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
