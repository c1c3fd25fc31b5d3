"""Homologs without MMseqs2: candidates by their words, each confirmed by an alignment.

A candidate is first looked at without gaps, on the diagonals of the band in which it shares words, which takes a
tenth of the time; what scores too little there is no homolog. The alignment is local, with BLOSUM62 and gaps of 11
and 1, and its E-value that of Karlin and Altschul with the constants of BLAST for these (lambda 0.267, K 0.041).

Shape legend: D diagonals of a band, L residues of the first sequence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from math import log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from e1bind.curation.words import SHIFT, candidates

UNGAPPED = 50
"""Score without gaps from which on a candidate is aligned."""
EVALUE = 1e-3
_LAMBDA, _K = 0.267, 0.041
_OPEN, _EXTEND = -11, -1
_WIDTH = 2 << SHIFT
"""Diagonals of a band."""
_NEAR = 0.9
"""Share of the wanted identity and coverage from which on an alignment counts: another program's may have them in
full, and a cluster too large harms less than a leak."""


def confirmed(
    first: Sequence[str], second: Sequence[str] | None, identity: float, coverage: float
) -> Iterator[tuple[int, int]]:
    """Places of homologs in two lists, or within the first: from `identity` on, over `coverage` of either."""
    targets = first if second is None else second
    residues = sum(map(len, targets))
    codes = [_codes(sequence) for sequence in first]
    others = [_padded(code) for code in (codes if second is None else map(_codes, second))]
    for one, other, diagonal in candidates(first, second):
        if _ungapped(codes[one], others[other], diagonal) >= UNGAPPED:
            least = log(_K * max(len(first[one]), 1) * residues / EVALUE) / _LAMBDA
            if _is_homolog(first[one], targets[other], least, identity, coverage):
                yield one, other


def _is_homolog(first: str, second: str, least: float, identity: float, coverage: float) -> bool:
    """Whether the best local alignment scores `least`, and is as wanted."""
    if first == second:
        return True
    if _aligner().score(first, second) < least:  # a third of the time of an alignment
        return False
    alignment = _aligner().align(first, second)[0]
    counts, places = alignment.counts(), alignment.coordinates
    spans = places[:, -1] - places[:, 0]
    covered = max(spans[0] / len(first), spans[1] / len(second))
    same = counts.identities / alignment.length
    return bool(same >= _NEAR * identity and covered >= _NEAR * coverage)


def _ungapped(first_L: NDArray[np.int64], beside: NDArray[np.int64], diagonal: int) -> float:
    """Best score of a stretch without gaps on one of the band's diagonals; `beside` is the other, `_padded`."""
    length = len(beside) - 2 * _WIDTH
    start, stop = max(0, 1 - diagonal - _WIDTH), min(len(first_L), length - diagonal)
    if stop <= start:
        return 0.0
    step, at = beside.itemsize, start + diagonal + _WIDTH
    # Row d begins one place behind row d - 1: a view, which numpy's own helpers take as long to make as the rest.
    rows = np.ndarray((_WIDTH, stop - start), beside.dtype, beside, at * step, (step, step))
    total_DL = np.cumsum(_scores()[first_L[start:stop], rows], axis=1)
    lowest_DL = np.minimum.accumulate(total_DL, axis=1)
    return float(max((total_DL - lowest_DL).max(), total_DL.max()))


def _padded(code: NDArray[np.int64]) -> NDArray[np.int64]:
    """Codes with places outside of the sequence on both sides."""
    return np.pad(code, _WIDTH, constant_values=len(_scores()) - 1)


_APART = -1000.0
"""What a place outside of the other sequence scores: no stretch goes on over it."""


@cache
def _aligner() -> Any:
    from Bio.Align import PairwiseAligner, substitution_matrices

    aligner = PairwiseAligner(mode="local", open_gap_score=_OPEN, extend_gap_score=_EXTEND)
    aligner.substitution_matrix = substitution_matrices.load("BLOSUM62")
    return aligner


@cache
def _scores() -> NDArray[np.float32]:
    """BLOSUM62 by the codes of its letters; the last code is a place outside of a sequence."""
    return np.pad(np.array(_aligner().substitution_matrix, np.float32), (0, 1), constant_values=_APART)


def _codes(sequence: str) -> NDArray[np.int64]:
    letters: str = _aligner().substitution_matrix.alphabet
    code = np.zeros(256, dtype=np.int64)
    code[np.frombuffer(letters.encode("ascii"), dtype=np.uint8)] = np.arange(len(letters))
    return code[np.frombuffer(sequence.encode("ascii"), dtype=np.uint8)]
