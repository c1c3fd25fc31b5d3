"""Sequences that may be homologs: words of residues that two sequences have in common, on one diagonal.

A word is four residues at the places that a seed marks, with others between them that may be anything; so words
agree where sequences do not in a row. Eight seeds find far more than one does. What counts are the residues that
words share in one band of 32 diagonals (the distances of their places in the two), and the share of the shorter
sequence that they make up. Bands whose words are too common, by the sum of the logarithms of how rare each is, are
passed over before anything is counted. Time and memory grow with the square of the number of sequences: it is made
for some thousands.

Shape legend: N sequences, W words of all of them, H places at which words of one sequence are found, B bins of
diagonals.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from e1bind.contracts import STANDARD_RESIDUES

SEEDS = ("1111", "11011", "101101", "1100101", "10010011", "101000011", "110001001", "10000100101")
SHARE, RESIDUES = 0.08, 12
"""Share of the shorter sequence, and residues, from which on two sequences may be related."""
RARE = 50.0
"""Nats that the words of a band must add up to."""
MOST = 4000
"""Places of a word, over all sequences, above which it says nothing: repeats, tails of one residue."""
SHIFT = 4
"""Two neighbouring bins of 2 to the power of this many diagonals make a band."""

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class _Index:
    """The places of the words of one seed: those of word w are `place` and `owner` [start[w] : stop[w]].

    Places count residues of all sequences, one after the other. `start` goes on as sequences are passed.
    """

    seed: str
    place_W: Ints
    owner_W: Ints
    start: Ints
    stop: Ints
    weight: NDArray[np.float64]

    @classmethod
    def of(cls, sequences: Sequence[str], first_N: Ints, seed: str) -> _Index:
        codes, places, owners = [], [], []
        for owner, sequence in enumerate(sequences):
            code, place = words(sequence, seed)
            codes.append(code)
            places.append(place + first_N[owner])
            owners.append(np.full(len(code), owner))
        code_W = np.concatenate(codes)
        order = np.argsort(code_W, kind="stable")
        start = np.searchsorted(code_W[order], np.arange(len(STANDARD_RESIDUES) ** len(marks(seed)) + 1))
        count = np.diff(start)
        weight = np.where(count > MOST, 0.0, np.log(max(len(code_W), 1) / np.maximum(count, 1)))
        return cls(
            seed, np.concatenate(places)[order], np.concatenate(owners)[order], start[:-1].copy(), start[1:], weight
        )

    def skip(self, sequence: str) -> None:
        """Find the words of the next of the indexed sequences no more."""
        np.add.at(self.start, words(sequence, self.seed)[0], 1)

    def hits(self, sequence: str) -> _Hits:
        """Where the words of a sequence are found."""
        code, own = words(sequence, self.seed)
        kept = self.weight[code] > 0
        code, own = code[kept], own[kept]
        count = self.stop[code] - self.start[code]
        at_H = np.repeat(self.start[code] - np.cumsum(count) + count, count) + np.arange(count.sum())
        weight_H = np.repeat(self.weight[code], count)
        return _Hits(self.place_W[at_H], self.owner_W[at_H], np.repeat(own, count), weight_H, marks(self.seed))


@dataclass(frozen=True, eq=False)
class _Hits:
    """Words of one sequence, `own` [H] in it, found at `place` [H] in the sequence `owner` [H], `weight` [H];
    `offset` of a word's residues."""

    place: Ints
    owner: Ints
    own: Ints
    weight: NDArray[np.float64]
    offset: Ints


def marks(seed: str) -> Ints:
    """The places in a seed that are marked."""
    return np.array([offset for offset, mark in enumerate(seed) if mark == "1"], dtype=np.int64)


def words(sequence: str, seed: str) -> tuple[Ints, Ints]:
    """The words of a sequence as numbers, and where each begins; those with an X are none."""
    letter_L = _LETTERS[np.frombuffer(sequence.encode("ascii"), dtype=np.uint8)]
    length = len(letter_L) - len(seed) + 1
    if length <= 0:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    code, known = np.zeros(length, dtype=np.int64), np.ones(length, dtype=bool)
    for offset in marks(seed):
        part = letter_L[offset : offset + length]
        code = code * len(STANDARD_RESIDUES) + part
        known &= part >= 0
    place = np.flatnonzero(known)
    return code[place], place


_LETTERS = np.full(256, -1, dtype=np.int64)
_LETTERS[np.frombuffer(STANDARD_RESIDUES.encode(), dtype=np.uint8)] = np.arange(len(STANDARD_RESIDUES))


def candidates(first: Sequence[str], second: Sequence[str] | None = None) -> Iterator[tuple[int, int, int]]:
    """Places of two sequences in two lists (or of two within the first), and the first of the band's diagonals.

    Residue i of the one stands on diagonal d beside residue i + d of the other.
    """
    targets = first if second is None else second
    length_N = np.array([len(sequence) for sequence in targets], dtype=np.int64)
    first_N = np.cumsum(length_N) - length_N
    indices = [_Index.of(targets, first_N, seed) for seed in SEEDS]
    for query, sequence in enumerate(first):
        if second is None:  # each two are looked at once, from the first of them
            for index in indices:
                index.skip(sequence)
        shared_N, diagonal_N = _shared(len(sequence), [index.hits(sequence) for index in indices], first_N)
        least_N = np.maximum(RESIDUES, SHARE * np.minimum(length_N, len(sequence)))
        for target in np.flatnonzero(shared_N >= least_N).tolist():
            yield query, target, int(diagonal_N[target])


def _shared(length: int, found: Sequence[_Hits], first_N: Ints) -> tuple[Ints, Ints]:
    """Residues that words of a query share with each sequence in its best band, and its first diagonal, [N]."""
    # As many diagonals are kept free before each sequence as the query has residues: none is of two of them.
    free = length + (2 << SHIFT)
    diagonals = [hits.place - hits.own + (hits.owner + 1) * free for hits in found]
    weight_B = np.bincount(np.concatenate(diagonals) >> SHIFT, np.concatenate([hits.weight for hits in found]))
    high = np.flatnonzero(weight_B[:-1] + weight_B[1:] >= RARE)
    hot_B = np.zeros(len(weight_B), dtype=bool)
    hot_B[high] = hot_B[high + 1] = True
    pairs = [np.zeros(0, dtype=np.int64)]
    for diagonal_H, hits in zip(diagonals, found, strict=True):
        kept = hot_B[diagonal_H >> SHIFT]
        # A pair of residues as one number, so that those of several words count once.
        pairs.append((diagonal_H[kept, None] * length + hits.own[kept, None] + hits.offset).ravel())
    pair_count_B = np.bincount(np.unique(np.concatenate(pairs)) // length >> SHIFT, minlength=len(weight_B))
    count = pair_count_B[high] + pair_count_B[high + 1]
    before_N = first_N + (np.arange(len(first_N)) + 1) * free
    owner = np.maximum(np.searchsorted(before_N - length, (high + 1) << SHIFT, side="right") - 1, 0)
    shared_N, diagonal_N = np.zeros((2, len(first_N)), dtype=np.int64)
    rising = np.argsort(count, kind="stable")  # of an owner's bands the best comes last, and stays
    shared_N[owner[rising]] = count[rising]
    diagonal_N[owner[rising]] = (high[rising] << SHIFT) - before_N[owner[rising]]
    return shared_N, diagonal_N
