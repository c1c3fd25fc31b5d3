"""Chains longer than a backbone takes: one window in training, overlapping windows wherever residues are scored.

Windows are half-open residue ranges (start, stop). Training shows one window per epoch and chain; validation,
out-of-fold scores and prediction cut windows that cover every residue, and average a residue's scores over them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from e1bind.contracts import ResidueRecord
from e1bind.errors import UserError

Window = tuple[int, int]


def training_window(
    record: ResidueRecord, max_residues: int | None, rng: np.random.Generator, ion: str | None = None
) -> ResidueRecord:
    """The chain itself where it fits; else `max_residues` residues in a row.

    The window holds a positive residue of `ion` (of any ion where None), drawn evenly from the chain's positives,
    and starts at random among the windows that hold it; in a chain without positives it starts anywhere.
    """
    if max_residues is None or len(record) <= max_residues:
        return record
    labels = record.labels.values() if ion is None else [record.labels[ion]] if ion in record.labels else []
    positives = np.flatnonzero(np.any([values == 1 for values in labels], axis=0)) if labels else np.array([])
    low, high = 0, len(record) - max_residues
    if len(positives):
        anchor = int(rng.choice(positives))
        low, high = max(low, anchor - max_residues + 1), min(high, anchor)
    start = int(rng.integers(low, high + 1))
    return record.window(start, start + max_residues)


def cut_windows(length: int, max_residues: int | None, overlap: int) -> list[Window]:
    """Windows of at most `max_residues` that cover `length` residues; neighbours share `overlap` or more.

    As few windows as that allows, all of one size, spread evenly. Raises `UserError` for an overlap that leaves no
    room, which only a backbone of very short chains makes possible.
    """
    if max_residues is None or length <= max_residues:
        return [(0, length)]
    if not 0 <= overlap < max_residues:
        raise UserError(
            f"training.window_overlap is {overlap}, and a chain of {length} residues must be cut into windows of "
            f"{max_residues}: the overlap must be shorter than that"
        )
    count = -(-(length - overlap) // (max_residues - overlap))
    starts = np.linspace(0, length - max_residues, count).astype(int)
    return [(start, start + max_residues) for start in starts.tolist()]


def merge_windows(
    length: int, windows: Sequence[Window], scores: Sequence[NDArray[np.floating]]
) -> NDArray[np.float64]:
    """One score per residue, [length]: the mean over the windows that hold it. `scores[w]` holds window w.

    Scores may be vectors, [residues, width] in each window; the result is then [length, width].
    """
    total = np.zeros((length, *(scores[0].shape[1:] if scores else ())))
    seen = np.zeros(length, dtype=np.int64)
    for (start, stop), values in zip(windows, scores, strict=True):
        if len(values) != stop - start:
            raise ValueError(f"window {start}-{stop} has {len(values)} scores")
        total[start:stop] += values
        seen[start:stop] += 1
    if not seen.all():
        raise ValueError(f"residue {int(np.argmin(seen)) + 1} of {length} lies in no window")
    return total / seen.reshape(-1, *[1] * (total.ndim - 1))


@dataclass(frozen=True)
class WindowCount:
    """How many chains are too long, and what is done about them."""

    max_residues: int | None
    chains: int
    cut_chains: int
    windows: int
    longest: int

    def __str__(self) -> str:
        if self.max_residues is None or not self.cut_chains:
            return f"all {self.chains} chains fit whole (longest {self.longest} residues)"
        return (
            f"{self.cut_chains} of {self.chains} chains are longer than {self.max_residues} residues (longest "
            f"{self.longest}): one random window per epoch in training, {self.windows} overlapping ones for scores"
        )


def count_windows(lengths: Iterable[int], max_residues: int | None, overlap: int) -> WindowCount:
    """What `cut_windows` does to chains of these lengths, for the log."""
    known = list(lengths)
    cut = [] if max_residues is None else [length for length in known if length > max_residues]
    windows = sum(len(cut_windows(length, max_residues, overlap)) for length in cut)
    return WindowCount(max_residues, len(known), len(cut), windows, max(known, default=0))
