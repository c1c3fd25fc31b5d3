"""What the id of a chain may be: it stands in tables, array files, messages and the names of files."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from e1bind.data.packed_strings import PackedStrings
from e1bind.files.text import control_character, visible

MAX_ID = 1000
"""Characters of an id; a longer one is rather a sequence that ended up in the header."""


def id_fault(name: object) -> str | None:
    """What is wrong with an id, for a sentence that begins with it; None where it can be used."""
    if not isinstance(name, str):
        return f"is no string but {type(name).__name__}; give each chain a text as its id"
    if not name:
        return "is empty; give each chain an id"
    # A NUL at the end would be lost in array files, an escape sequence would steer the terminal that shows it.
    if strange := control_character(name):
        return f"holds the control character {strange}; take it out of the id"
    if len(name) > MAX_ID:
        return f"has {len(name)} characters, at most {MAX_ID} are allowed; does the sequence stand in the header?"
    return None


def plain_ids(ids: PackedStrings, rows: NDArray[np.int64]) -> bool:
    """Whether it is seen at one glance that `id_fault` finds nothing: printable ASCII, none empty or over-long."""
    lengths = ids.lengths[rows]
    if not len(lengths):
        return True
    printable = ids.bytes_T.min(initial=32) >= 32 and ids.bytes_T.max(initial=32) < 127
    return bool(printable and lengths.min() > 0 and lengths.max() <= MAX_ID)


def shown_id(name: object) -> str:
    """An id for messages: printable and not over-long."""
    text = visible(str(name))
    return text if len(text) <= 80 else f"{text[:77]}..."
