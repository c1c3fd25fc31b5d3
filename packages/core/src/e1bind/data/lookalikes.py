"""Sequences that the rules allow and that are hardly proteins: nucleotides, structure tokens, annotation, labels.

The letters of other alphabets are letters of residues as well, so they are read; whoever gave them is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from string import ascii_uppercase

import numpy as np
from numpy.typing import NDArray

from e1bind.data.ids import shown_id
from e1bind.data.msa_rows import ANNOTATION_LETTERS, is_annotation

MAX_TOLD = 5
"""Records that are told one by one; the others are counted."""
FEWEST = 20
"""Residues from which on letters tell: no protein of so many is made of A, C, G and T alone."""
_NUCLEOTIDES = (frozenset("ACGTN"), frozenset("ACGUN"))
_PAIRS = 10


class Lookalikes:
    """Tells of the records of one file that look like no protein; they are counted in lines or another `unit`."""

    def __init__(self, called: str, tell: Callable[[str], None], unit: str = "line") -> None:
        self.called, self.tell, self.unit = called, tell, unit
        self.found = 0

    def see(self, name: str, line: int, body: Sequence[str]) -> None:
        """Look at a record: its id, the line (or unit) it begins at, the lines of its sequence as written."""
        if (what := resemblance(body)) is None:
            return
        self.found += 1
        if self.found <= MAX_TOLD:
            where = f"{self.called}, {self.unit} {line}: {shown_id(name)}"
            self.tell(f"{where} looks like no protein but like {what}; it was read as a protein all the same")

    def end(self) -> None:
        """Tell how many more there were."""
        if (more := self.found - MAX_TOLD) > 0:
            self.tell(f"{self.called}: {more} more records look like no protein")


class LetterSets:
    """Tells at once which of many sequences may look like no protein: those made of the letters of such alphabets.

    For sequences on one line, in capitals; of all others only `resemblance` can tell.
    """

    def __init__(self) -> None:
        self._bits = np.zeros(256, np.uint32)
        for place, letter in enumerate(ascii_uppercase):
            self._bits[ord(letter)] = 1 << place
        self._sets = [self._mask(letters) for letters in (*_NUCLEOTIDES, *ANNOTATION_LETTERS)]

    def _mask(self, letters: Iterable[str]) -> np.uint32:
        return np.bitwise_or.reduce([self._bits[ord(letter)] for letter in letters])

    def odd(self, letters_T: NDArray[np.uint8], cuts: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Of N sequences in one buffer, beginning (and the last one ending) at `cuts` [N + 1]; [N]."""
        some = np.flatnonzero(np.diff(cuts))
        found = np.zeros(len(cuts) - 1, np.bool_)
        if len(some):
            kinds = np.bitwise_or.reduceat(self._bits[letters_T], cuts[some])
            found[some] = np.any([kinds & ~letters == 0 for letters in self._sets], axis=0)
        return found


def resemblance(body: Sequence[str]) -> str | None:
    """What a sequence looks like, where its letters look like nothing else; None for a protein."""
    text = "".join(body)
    upper = text.upper()
    kinds = set(upper)
    if len(text) >= FEWEST and len(kinds) >= 3 and any(kinds <= letters for letters in _NUCLEOTIDES):
        return "nucleotides (translate it first)"
    if _is_paired(text):
        return "pairs of residue and structure token, as SaProt has them (keep every first letter)"
    if _is_labelled(body):
        return "a sequence with labels that are letters (leave the labels out)"
    if is_annotation("", upper):
        return "secondary structure (give the sequence)"
    return None


def _is_paired(text: str) -> bool:
    """Capital, small, capital, small: a residue and its structure."""
    residues, tokens = text[::2], text[1::2]
    return len(tokens) >= _PAIRS and len(residues) == len(tokens) and residues.isupper() and tokens.islower()


def _is_labelled(body: Sequence[str]) -> bool:
    """Whether the second half of the lines is as long as the first, and of few letters where that has many."""
    half = len(body) // 2
    first, second = "".join(body[:half]), "".join(body[half:])
    same = len(body) % 2 == 0 and len(first) == len(second) >= FEWEST
    return same and len(set(second.upper())) <= 3 and len(set(first.upper())) >= 8
