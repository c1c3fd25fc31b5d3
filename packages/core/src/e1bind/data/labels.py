"""Labels of residues, written as text and as places, and the union of several ions' labels.

Shape legend: L residues of a chain.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from e1bind.contracts import UNKNOWN

LABELS = {"0": 0, "1": 1, "?": UNKNOWN}
"""What may stand for a residue in a string of labels."""
_MARKS = np.array(list("01?"))


def labels_fault(text: str) -> tuple[int, str] | None:
    """Place (from 0) of the first character that is no label, and a sentence on all of them; None if all are."""
    wrong = set(text) - LABELS.keys()
    if not wrong:
        return None
    at = next(place for place, char in enumerate(text) if char in wrong)
    shown = ", ".join(map(repr, sorted(wrong)))
    return at, f"label {shown} (first at residue {at + 1}); use 0, 1 or ? (unknown)"


def labels_of_text(text: str) -> NDArray[np.int8]:
    """Labels [L] from a string of 0, 1 and ?."""
    codes = np.frombuffer(text.encode("ascii"), dtype=np.uint8)
    labels_L = np.full(len(codes), UNKNOWN, dtype=np.int8)
    labels_L[codes == ord("0")] = 0
    labels_L[codes == ord("1")] = 1
    return labels_L


def text_of_labels(labels_L: NDArray[np.int8]) -> str:
    """The string of 0, 1 and ? that gives these labels."""
    return "".join(_MARKS[labels_L])


def labels_at(length: int, binding: Iterable[int], unknown: Iterable[int] = ()) -> NDArray[np.int8]:
    """Labels [L] of a chain whose residues at the places `binding` (from 0) bind; what binds is not unknown."""
    labels_L = np.zeros(length, dtype=np.int8)
    labels_L[list(unknown)] = UNKNOWN
    labels_L[list(binding)] = 1
    return labels_L


def united(labels: Sequence[NDArray[np.int8]]) -> NDArray[np.int8]:
    """Labels [L] for any of several ions: binds if one binds, unknown if none does and one is unknown."""
    if len(labels) == 1:
        return labels[0]
    stacked = np.stack(labels)
    return np.where((stacked == 1).any(0), 1, stacked.min(0)).astype(np.int8)
