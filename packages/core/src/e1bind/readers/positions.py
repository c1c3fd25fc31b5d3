"""Places of binding residues as people write them: `12 15 33`, `C12, C15`, `[12, 15]`, or a list of numbers.

Shape legend: L residues of a chain.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from e1bind.data.labels import labels_at

_PLACE = re.compile(r"(\??)([A-Za-z]?)(\d+)")
_BETWEEN = re.compile(r"[\s,;|]+")


def labels_of_positions(cell: str | Sequence[int], sequence: str, first: int) -> NDArray[np.int8]:
    """Labels [L] of a cell; residues are counted from `first`. Raises `ValueError` with what is wrong of it."""
    binding: list[int] = []
    unknown: list[int] = []
    for word in _words(cell):
        found = _PLACE.fullmatch(word)
        if found is None:
            advice = "[] where none binds, nothing where nothing is known"
            raise ValueError(f"{word!r} is no residue; write 12 or C12, {advice}")
        mark, letter, number = found.groups()
        place = int(number) - first
        if not 0 <= place < len(sequence):
            last = len(sequence) - 1 + first
            raise ValueError(f"{word!r}: the chain's residues are {first} to {last}; is `first` right?")
        if letter and letter.upper() != sequence[place]:
            raise ValueError(f"{word!r}: residue {number} is {sequence[place]}; is `first` right?")
        (unknown if mark else binding).append(place)
    if both := sorted(set(binding) & set(unknown)):
        raise ValueError(f"residue {both[0] + first} is said to bind and to be unknown")
    return labels_at(len(sequence), binding, unknown)


def _words(cell: str | Sequence[int]) -> list[str]:
    if not isinstance(cell, str):
        return [str(number) for number in cell]
    text = cell.strip()
    if text[:1] + text[-1:] in ("[]", "()", "{}"):
        text = text[1:-1].strip()
    return [word.strip("'\"") for word in _BETWEEN.split(text) if word]
