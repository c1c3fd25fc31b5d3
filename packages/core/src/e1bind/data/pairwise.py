"""Two sequences aligned globally by gemmi, as pairs of places."""

from __future__ import annotations

from collections.abc import Sequence

Pair = tuple[int, int]
"""Places (from 0) of two residues that stand beside each other, in the first and the second sequence."""


def aligned_pairs(first: str, second: str, gap_open: int, gaps: Sequence[int] = ()) -> list[Pair]:
    """The residues of two sequences that an alignment puts beside each other, in order.

    Matches score 1, mismatches and residues of a gap -1, opening a gap `gap_open`; `gaps`, one more than `second`
    has residues, are scores of their own for opening one before each of them, and at the end.
    """
    import gemmi

    scoring = gemmi.AlignmentScoring("s")
    scoring.gapo = gap_open
    result = gemmi.align_string_sequences(list(first), list(second), list(gaps), scoring)
    pairs: list[Pair] = []
    i = j = 0
    for ours, theirs in zip(result.add_gaps(first, 1), result.add_gaps(second, 2), strict=True):
        if ours != "-" and theirs != "-":
            pairs.append((i, j))
        i += ours != "-"
        j += theirs != "-"
    return pairs
