"""The letters of a sequence: what is read, what may be read as X, and what is refused."""

from __future__ import annotations

from string import ascii_lowercase, ascii_uppercase

from e1bind.contracts import STANDARD_RESIDUES

ALPHABET = frozenset(STANDARD_RESIDUES + "X")
RARE_LETTERS = frozenset("BJOUZ")
# Only ASCII letters are raised: str.upper would turn some foreign letters into several residues.
UPPER = str.maketrans(ascii_lowercase, ascii_uppercase)
RARE_TO_X = dict.fromkeys(map(ord, RARE_LETTERS), "X")


def read_letters(text: str, rare_to_x: bool) -> str:
    """A sequence in capitals; with `rare_to_x` B, J, O, U and Z are X."""
    sequence = text.translate(UPPER)
    return sequence.translate(RARE_TO_X) if rare_to_x else sequence


def letters_fault(sequence: str, to_x: str = 'unknown_residues = "to-x"') -> tuple[int, str] | None:
    """Place (from 0) of the first letter that is no residue, and a sentence on all of them; None if all are.

    `to_x` is how the user says that rare letters are to be read as X.
    """
    strange = set(sequence) - ALPHABET
    if not strange:
        return None
    at = next(place for place, letter in enumerate(sequence) if letter in strange)
    shown = ", ".join(map(repr, sorted(strange)[:8])) + (", ..." if len(strange) > 8 else "")
    advice = "allowed are the 20 standard residues and X"
    if strange <= RARE_LETTERS:
        advice += f"; {to_x} reads B, J, O, U and Z as X"
    return at, f"letter {shown} in the sequence (first at residue {at + 1}); {advice}"
