"""Which records of an alignment file are proteins, and what a dot in them is.

Programs add rows of annotation: secondary structure and its confidence (HH-suite), solvent accessibility,
consensus. They are told by name, and where they have none by their letters, and never read as homologues.
"""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_lowercase

from e1bind.data.letters import UPPER

_PREFIXES = ("ss_", "sa_", "aa_", "bb_")
_CONSENSUS = ("cons", "consensus")
_NO_LETTERS = frozenset("-.~ \t")
_STATES = (
    (10, 2, frozenset("HEC")),  # three states, as PSIPRED writes them
    (10, 2, frozenset("HEL")),
    (20, 3, frozenset("HBEGITSC")),  # eight states of DSSP
    (20, 4, frozenset("ABCDE")),  # solvent accessibility
)
"""From how many letters, and how many kinds of them, on no protein is made of the letters of annotation alone."""
ANNOTATION_LETTERS = tuple(states for _, _, states in _STATES)
"""Only what is made of one of these sets can be annotation by its letters."""


def is_annotation(header: str, text: str) -> bool:
    """Whether a record is no protein: by its name, by digits instead of letters, or by the letters it holds."""
    name = (header.split() or [""])[0].lower()
    if name.startswith(_PREFIXES) or name in _CONSENSUS or name.endswith("_consensus"):
        return True
    kinds = set(text) - _NO_LETTERS
    if kinds and all(kind.isdigit() for kind in kinds):
        return True
    kinds = set("".join(kinds).translate(UPPER))
    if not any(kinds <= states for states in ANNOTATION_LETTERS):  # as nearly all proteins
        return False
    letters = sum(letter not in _NO_LETTERS for letter in text)
    return any(letters >= most and len(kinds) >= some and kinds <= states for most, some, states in _STATES)


def without_dots(texts: Sequence[str]) -> list[str]:
    """Sequences in a3m form: a dot is padding beside insertions in a2m, and a gap in an a3m with dots.

    What leaves the rows with fewer different numbers of match columns is right; a query with dots is of an a2m.
    """
    if not any("." in text for text in texts):
        return list(texts)
    padding, gaps = [text.replace(".", "") for text in texts], [text.replace(".", "-") for text in texts]
    widths = [len({_width(text) for text in options}) for options in (padding, gaps)]
    return padding if widths[0] < widths[1] or (widths[0] == widths[1] and "." in texts[0]) else gaps


def _width(text: str) -> int:
    return len(text.translate(_NO_INSERTIONS))


_NO_INSERTIONS = str.maketrans("", "", ascii_lowercase)
