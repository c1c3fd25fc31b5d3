"""Where the chain stands in its alignment, and how similar the rows are to it there.

Shape legend: N rows, C match columns, K residues of the chain that have a column and are known.

An alignment may be wider than its chain (a complex, a domain inside a longer query) and may begin with something
else (a consensus). What counts is the chain: rows are compared with it over its own columns, and cut to them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_lowercase

import numpy as np
from numpy.typing import NDArray

from e1bind.data.pairwise import aligned_pairs

GAP = ord("-")
UNKNOWN = ord("X")
_WORD = 4
GAP_OPEN = -2
NEAR_WORDS = 0.5
"""Share of the chain's words from which on a row is aligned with the chain anew: its columns may be shifted."""


@dataclass(frozen=True, eq=False)
class Place:
    """Columns [start, stop) in which the chain stands; `letter_K` of its known residues, in `column_K`."""

    start: int
    stop: int
    column_K: NDArray[np.int64]
    letter_K: NDArray[np.uint8]


def starts(columns: str, chain: str) -> list[int]:
    """Where the residues of `chain` stand in `columns` one after the other; X agrees with all, "-" with X."""
    if not chain or len(chain) > len(columns):
        return []
    have = np.lib.stride_tricks.sliding_window_view(np.frombuffer(columns.encode(), np.uint8), len(chain))
    want = np.frombuffer(chain.encode(), np.uint8)
    fits = ((have == want) | (want == UNKNOWN) | (have == UNKNOWN)).all(1)
    return [int(i) for i in np.flatnonzero(fits)]


def is_chain(text: str, chain: str) -> bool:
    """Whether a row, insertions included, is the chain and nothing else."""
    residues = text.upper().replace("-", "")
    return len(residues) == len(chain) and bool(starts(residues, chain))


def places_of(texts: Sequence[str], columns_NC: NDArray[np.uint8], chain: str) -> list[Place]:
    """Every place of the chain: in the query, in rows that are the chain, or where the query is aligned with it."""
    query = columns_NC[0].tobytes().decode("ascii")
    letters = np.frombuffer(chain.encode("ascii"), dtype=np.uint8)
    found = [_place(np.arange(start, start + len(chain)), letters) for start in starts(query, chain)]
    for text in texts if not found else ():
        if is_chain(text, chain):
            found.append(_place(_columns_of_residues(text), letters))
    return found or [_place(_aligned(query, chain), letters)]


def _place(column_L: NDArray[np.int64], letter_L: NDArray[np.uint8]) -> Place:
    """A place from the column of each residue, -1 for those that have none."""
    kept_L = column_L >= 0
    known_L = kept_L & (letter_L != UNKNOWN)
    own = column_L[kept_L]
    start, stop = (int(own.min()), int(own.max()) + 1) if len(own) else (0, 0)
    return Place(start, stop, column_L[known_L], letter_L[known_L])


def _columns_of_residues(text: str) -> NDArray[np.int64]:
    """The column of each residue of a row; -1 for insertions."""
    found, column = [], 0
    for letter in text:
        if letter in ascii_lowercase:
            found.append(-1)
        else:
            found += [] if letter == "-" else [column]
            column += 1
    return np.array(found, dtype=np.int64)


def _aligned(query: str, chain: str) -> NDArray[np.int64]:
    """The column of each residue of a chain that the query resembles; -1 where it has none."""
    column_of_residue = [i for i, letter in enumerate(query) if letter != "-"]
    column_L = np.full(len(chain), -1, dtype=np.int64)
    for i, j in aligned_pairs(query.replace("-", ""), chain, GAP_OPEN):
        column_L[j] = column_of_residue[i]
    return column_L


def chain_similarity(
    sequences: Sequence[str], columns_NC: NDArray[np.uint8], places: Sequence[Place], chain: str
) -> NDArray[np.float64]:
    """Share of the chain's known residues that a row repeats in their columns, [N]; the highest of all places.

    X of a row repeats anything. A row that holds the chain at other columns, or nearly, is as similar as it is
    there.
    """
    shares = [_repeats(columns_NC[:, place.column_K], place.letter_K) for place in places if len(place.column_K)]
    similarity_N = np.max(shares, axis=0) if shares else np.zeros(len(columns_NC))
    known = len(chain) - chain.count("X")
    words = {chain[i : i + _WORD] for i in range(len(chain) - _WORD + 1)}
    for row, sequence in enumerate(sequences):
        if chain in sequence:
            similarity_N[row] = 1.0
        elif words and known and _shared(sequence, words) >= NEAR_WORDS * len(words):
            same = sum(sequence[i] == chain[j] != "X" for i, j in aligned_pairs(sequence, chain, GAP_OPEN))
            similarity_N[row] = max(similarity_N[row], same / known)
    return similarity_N


def _repeats(columns_NK: NDArray[np.uint8], letter_K: NDArray[np.uint8]) -> NDArray[np.float64]:
    same_NK = (columns_NK == letter_K) | (columns_NK == UNKNOWN)
    share_N: NDArray[np.float64] = same_NK.mean(axis=1, dtype=np.float64)
    return share_N


def _shared(sequence: str, words: set[str]) -> int:
    return len({sequence[i : i + _WORD] for i in range(len(sequence) - _WORD + 1)} & words)


def own_columns(places: Sequence[Place], width: int) -> NDArray[np.int64]:
    """The columns of all places, in order."""
    inside = np.zeros(width, dtype=bool)
    for place in places:
        inside[place.start : place.stop] = True
    return np.flatnonzero(inside)


def cut(text: str, places: Sequence[Place], width: int) -> str:
    """The residues of a row in the columns of one place (the one with most of them), insertions between
    included."""
    return max((_between(text, place.start, place.stop, width) for place in places), key=len)


def _between(text: str, start: int, stop: int, width: int) -> str:
    if start == 0 and stop == width:
        return text.upper().replace("-", "")
    kept, column = [], 0
    for letter in text:
        insertion = letter in ascii_lowercase
        # An insertion stands behind `column` columns; at an end of the alignment it belongs to the end.
        inside = start < column < stop if insertion else start <= column < stop
        if inside or (insertion and (column == start == 0 or column == stop == width)):
            kept.append(letter)
        column += not insertion
    return "".join(kept).upper().replace("-", "")
