"""How a sequence and a chain of a structure lie on each other.

They are aligned by gemmi; loops that are not in the model open gaps at no cost where the chain is broken, and only
there. X is nothing that could be identical.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from e1bind.contracts import ResidueRecord
from e1bind.data.pairwise import aligned_pairs
from e1bind.structures.protein_chains import Chain
from e1bind.structures.residue_names import UNKNOWN_LETTER

MIN_IDENTITY = 0.9
"""Share of the shorter of sequence and chain that must be the same residue for the two to belong together."""
MIN_ALIGNED = 20
"""A shorter chain or sequence must stand in the other letter for letter: so few residues align by chance."""
OPEN = -10
"""Score of opening a gap, where the chain is not broken; matches score 1, mismatches and residues of a gap -1. With
-1, 24 of 25 random residues are found scattered over 800 random others; with this a third at most."""
MAX_SHOWN = 10


@dataclass(frozen=True, eq=False)
class Match:
    """A chain and the sequence it belongs to; `position_L` is the residue's place in the sequence from 0, or -1."""

    chain: Chain
    record: ResidueRecord
    position_L: NDArray[np.int64]
    identical: int

    @property
    def foreign(self) -> int:
        """Residues of either that are not those of the other: absent, added or different."""
        return len(self.record) + len(self.position_L) - 2 * self.identical

    def remarks(self) -> list[str]:
        """What does not fit, for people."""
        placed = self.position_L >= 0
        wrong = [
            f"{key[0][2]} {key[0][1]} is {self.record.sequence[at]}{at + 1} in the sequence"
            for key, letter, at in zip(self.chain.keys, self.chain.sequence, self.position_L, strict=True)
            if at >= 0 and letter != self.record.sequence[at]
        ]
        remarks = []
        if wrong:
            more = f" and {len(wrong) - MAX_SHOWN} more" if len(wrong) > MAX_SHOWN else ""
            remarks.append(f"{len(wrong)} residues differ: {'; '.join(wrong[:MAX_SHOWN])}{more}")
        if absent := len(self.record) - int(placed.sum()):
            remarks.append(f"{absent} residues of the sequence are not in the structure")
        if extra := int((~placed).sum()):
            remarks.append(f"{extra} residues of the structure are not in the sequence, and get no probability")
        return remarks


def align(record: ResidueRecord, chain: Chain) -> Match | None:
    """The alignment of a sequence and a chain; None where they do not belong together."""
    short, long_ = sorted((record.sequence, chain.sequence), key=len)
    if len(short) < MIN_ALIGNED and short not in long_:
        return None
    match = _match(record, chain)
    known = len(short) - short.count(UNKNOWN_LETTER)
    return match if match.identical >= max(1, MIN_IDENTITY * known) else None


def own_match(record: ResidueRecord, chain: Chain) -> Match:
    """The match of a chain and the record that was made of it."""
    known = len(record) - record.sequence.count(UNKNOWN_LETTER)
    return Match(chain, record, np.arange(len(record), dtype=np.int64), known)


def best_identity(record: ResidueRecord, chains: Sequence[Chain]) -> float:
    """Highest share of identical residues with any chain, for an error message."""
    return max(_match(record, chain).identical / max(1, min(len(record), len(chain.sequence))) for chain in chains)


def _match(record: ResidueRecord, chain: Chain) -> Match:
    # Gaps are residues of the chain that the sequence lacks.
    gaps = [0 if broken else OPEN for broken in chain.broken] + [0]
    position_L = np.full(len(chain.sequence), -1, dtype=np.int64)
    identical = 0
    for i, j in aligned_pairs(record.sequence, chain.sequence, OPEN, gaps):
        position_L[j] = i
        identical += record.sequence[i] == chain.sequence[j] != UNKNOWN_LETTER
    return Match(chain, record, position_L, identical)
