"""Tiny chains to try components with: made up, offline, with labels that a model can learn.

A residue binds where it is C or H; that is so simple that a few steps of training show in the figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from e1bind.contracts import STANDARD_RESIDUES, ResidueRecord
from e1bind.data.labels import text_of_labels

BINDING = "CH"


def tiny_chains(count: int = 8, ion: str = "ZN", shortest: int = 18, longest: int = 40) -> list[ResidueRecord]:
    """`count` chains of `shortest` to `longest` residues with labels for `ion`; the same ones every time."""
    rng = np.random.default_rng(18)
    lengths = np.linspace(shortest, longest, count).astype(int)
    return [_chain(f"tiny{number}", int(length), ion, rng) for number, length in enumerate(lengths, start=1)]


def _chain(name: str, length: int, ion: str, rng: np.random.Generator) -> ResidueRecord:
    letters = list(rng.permutation(list(STANDARD_RESIDUES * (length // 20 + 1)))[:length])
    # Both classes in every chain, wherever it is cut.
    letters[1], letters[length // 2], letters[-2] = "C", "H", "C"
    sequence = "".join(letters)
    labels = np.array([int(letter in BINDING) for letter in sequence], dtype=np.int8)
    return ResidueRecord(name, sequence, {ion: labels}, source="e1bind.testing")


def write_fasta3(path: Path, records: Sequence[ResidueRecord], ion: str = "ZN") -> Path:
    """Write the chains as the reader `fasta3` takes them: id, sequence, one label for each residue."""
    text = "".join(f">{record.id}\n{record.sequence}\n{text_of_labels(record.labels[ion])}\n" for record in records)
    path.write_text(text, encoding="utf-8")
    return path
