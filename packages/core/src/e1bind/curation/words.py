"""Homologs without an alignment and without a program: words of residues that two sequences have in common.

A word is four residues at the places that a seed marks, with others between them that may be anything; so words
agree where sequences do not in a row. Each word that a pair shares, on about the same diagonal (the distance of its
places in the two), counts the logarithm of how rare it is. Where that adds up to `LEAST` in a band of 32 diagonals
the two are related. Eight seeds find far more than one does (Keich, Li, Ma, Tromp, 2004), at the cost of hits by
chance: these are spread over all diagonals. Identity and coverage are not known, so nothing is sought by them.

Shape legend: N sequences, W words of all of them, H places at which the words of one sequence are found, B bins of
diagonals.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from e1bind.contracts import STANDARD_RESIDUES

SEEDS = ("1111", "11011", "101101", "1010001", "1100101", "10010011", "110001001", "10000100101")
LEAST = 220.0
"""Nats from which on two sequences are related; docs/data.md says what it leaves apart."""
MOST = 4000
"""Places of a word, over all sequences, above which it says nothing: repeats, tails of one residue."""
SHIFT = 4
"""Two neighbouring bins of 2 to the power of this many diagonals make a band."""

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class _Index:
    """The places of the words of one seed: those of word w are `place` and `owner` [start[w] : start[w + 1]].

    Places count residues of all sequences, one after the other.
    """

    seed: str
    place_W: Ints
    owner_W: Ints
    start: Ints
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
        start = np.searchsorted(code_W[order], np.arange(len(STANDARD_RESIDUES) ** seed.count("1") + 1))
        count = np.diff(start)
        weight = np.where(count > MOST, 0.0, np.log(max(len(code_W), 1) / np.maximum(count, 1)))
        return cls(seed, np.concatenate(places)[order], np.concatenate(owners)[order], start, weight)

    def hits(self, sequence: str) -> tuple[Ints, Ints, Ints, NDArray[np.float64]]:
        """Where words of a sequence are found: place [H], owner [H], place in the sequence [H], weight [H]."""
        code, own = words(sequence, self.seed)
        kept = self.weight[code] > 0
        code, own = code[kept], own[kept]
        count = self.start[code + 1] - self.start[code]
        at_H = np.repeat(self.start[code] - np.cumsum(count) + count, count) + np.arange(count.sum())
        return self.place_W[at_H], self.owner_W[at_H], np.repeat(own, count), np.repeat(self.weight[code], count)


def words(sequence: str, seed: str) -> tuple[Ints, Ints]:
    """The words of a sequence as numbers, and where each begins; those with an X are none."""
    letter_L = _LETTERS[np.frombuffer(sequence.encode("ascii"), dtype=np.uint8)]
    length = len(letter_L) - len(seed) + 1
    if length <= 0:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    code, known = np.zeros(length, dtype=np.int64), np.ones(length, dtype=bool)
    for offset in (offset for offset, mark in enumerate(seed) if mark == "1"):
        part = letter_L[offset : offset + length]
        code = code * len(STANDARD_RESIDUES) + part
        known &= part >= 0
    place = np.flatnonzero(known)
    return code[place], place


_LETTERS = np.full(256, -1, dtype=np.int64)
_LETTERS[np.frombuffer(STANDARD_RESIDUES.encode(), dtype=np.uint8)] = np.arange(len(STANDARD_RESIDUES))


def related(
    first: Sequence[str], second: Sequence[str] | None = None, least: float = LEAST
) -> Iterator[tuple[int, int, float]]:
    """Places of related sequences in two lists (or of two within the first), and what their words add up to."""
    targets = first if second is None else second
    length_N = np.array([len(sequence) for sequence in targets], dtype=np.int64)
    first_N = np.cumsum(length_N) - length_N
    indices = [_Index.of(targets, first_N, seed) for seed in SEEDS]
    for query, sequence in enumerate(first):
        score_N = _scores(sequence, indices, first_N, least)
        for target in np.flatnonzero(score_N >= least).tolist():
            if second is not None or target > query:
                yield query, target, float(score_N[target])


def _scores(sequence: str, indices: Sequence[_Index], first_N: Ints, least: float) -> NDArray[np.float64]:
    """What the words a sequence shares with each other one add up to in the best band, [N]; 0 below `least`."""
    place_H, owner_H, own_H, weight_H = (
        np.concatenate(parts) for parts in zip(*(index.hits(sequence) for index in indices), strict=True)
    )
    # As many diagonals are kept free before each sequence as the query has residues: none is of two of them.
    free = len(sequence) + (2 << SHIFT)
    diagonal_H = place_H - own_H + (owner_H + 1) * free
    score_B = np.bincount(diagonal_H >> SHIFT, weights=weight_H)
    band_B = score_B[:-1] + score_B[1:]
    high = np.flatnonzero(band_B >= least)
    score_N = np.zeros(len(first_N))
    starts_N = first_N + (np.arange(len(first_N)) + 1) * free - len(sequence)
    owner = np.searchsorted(starts_N, (high + 1) << SHIFT, side="right") - 1
    np.maximum.at(score_N, np.maximum(owner, 0), band_B[high])
    return score_N
