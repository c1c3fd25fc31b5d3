"""The ids and sequences of a table's rows, read once for all ions whose labels stand beside them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from e1bind.data.chain_table import Sources
from e1bind.data.ids import MAX_ID
from e1bind.data.letters import ALPHABET, RARE_LETTERS, read_letters
from e1bind.data.lookalikes import LetterSets
from e1bind.data.packed_strings import Bytes, GrowingStrings, Ints, PackedStrings, starts_of
from e1bind.errors import DataError
from e1bind.files.text import one_line
from e1bind.readers.arrow import TableFile
from e1bind.readers.cells import Mask, Texts
from e1bind.readers.options import TableOptions
from e1bind.readers.sources import chain_faults

_OTHER = 0


def _letters(rare_to_x: bool) -> Bytes:
    """The residue that each byte is read as, or 0."""
    found = np.full(256, _OTHER, np.uint8)
    for letter in sorted(ALPHABET | (RARE_LETTERS if rare_to_x else frozenset())):
        residue = read_letters(letter, rare_to_x)
        found[[ord(letter), ord(letter.lower())]] = ord(residue)
    return found


@dataclass
class TableRows:
    """R rows: ids and sequences as they are read, of faulty rows empty; `faults` by row (from 0) with the id.

    `odd_R` says which sequences may look like no protein; `stamp` tells whether the file is still the same.
    """

    file: TableFile
    stamp: tuple[int, ...]
    ids: PackedStrings
    sequences: PackedStrings
    descriptions: PackedStrings | None
    odd_R: Mask
    faults: dict[int, tuple[Any, list[str]]] = field(default_factory=dict)

    @cached_property
    def sources(self) -> Sources:
        """`FILE row NUMBER`."""
        rows = len(self.ids)
        return Sources((f"{self.file.path} row ",), np.zeros(rows, np.int32), np.arange(1, rows + 1))

    @cached_property
    def first_equal(self) -> Ints:
        """For each row the first one with its id, [R]."""
        return self.ids.first_equal()


def stamp_of(path: Path) -> tuple[int, ...]:
    """What changes where a file does. Raises `DataError` where it is gone."""
    try:
        found = path.stat()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def read_rows(path: Path, options: TableOptions, rare_to_x: bool) -> TableRows:
    """All rows of a file. Raises `DataError` where it is no table, or lacks the columns."""
    stamp, file = stamp_of(path), TableFile(path)
    for key in ("id", "sequence"):
        if getattr(options, key) not in file.names:
            raise DataError(no_column(path, f"data.table.{key}", getattr(options, key), file.names))
    names = [options.id, options.sequence, *[options.description] * (options.description in file.names)]
    growing = _Growing(rare_to_x)
    for columns in file.batches(names):
        growing.take(*columns)
    odd_R = np.concatenate([np.zeros(0, np.bool_), *growing.odd])
    descriptions = growing.descriptions.packed() if len(names) > 2 else None
    return TableRows(
        file, stamp, growing.ids.packed(), growing.sequences.packed(), descriptions, odd_R, growing.faults
    )


class _Growing:
    """The rows so far."""

    def __init__(self, rare_to_x: bool) -> None:
        self.rare_to_x, self.letters = rare_to_x, _letters(rare_to_x)
        self.sets = LetterSets()
        self.ids, self.sequences, self.descriptions = GrowingStrings(), GrowingStrings(), GrowingStrings()
        self.odd: list[Mask] = []
        self.faults: dict[int, tuple[Any, list[str]]] = {}
        self.rows = 0

    def take(self, ids: Any, sequences: Any, descriptions: Any = None) -> None:
        """The next stretch of rows."""
        names, texts = Texts.of(ids), Texts.of(sequences)
        usual_B = np.zeros(len(ids), np.bool_)
        if names is not None and texts is not None:
            residues = self.letters[texts.bytes_D]
            usual_B = _usual_ids(names) & _usual_sequences(texts, residues)
            for start, stop in _runs(usual_B):
                if usual_B[start]:
                    own = slice(names.cuts[start], names.cuts[stop])
                    self.ids.extend(names.bytes_D[own], names.lengths[start:stop])
                    self._add(residues[texts.cuts[start] : texts.cuts[stop]], texts.lengths[start:stop])
                else:
                    self._one_by_one(ids[start:stop].to_pylist(), sequences[start:stop].to_pylist(), start)
        else:
            self._one_by_one(ids.to_pylist(), sequences.to_pylist(), 0)
        for description in () if descriptions is None else descriptions.to_pylist():
            self.descriptions.add(_described(description).encode(errors="replace"))
        self.rows += len(ids)

    def _add(self, residues: Bytes, lengths: Ints) -> None:
        self.sequences.extend(residues, lengths)
        self.odd.append(self.sets.odd(residues, starts_of(lengths)))

    def _one_by_one(self, ids: list[Any], sequences: list[Any], start: int) -> None:
        """Rows that are not of the usual form, which does not make them faulty."""
        for row, (name, text) in enumerate(zip(ids, sequences, strict=True), start=self.rows + start):
            name = str(name).strip() if isinstance(name, str | int) else name
            sequence = read_letters("".join(str(text or "").split()), self.rare_to_x)
            found = list(chain_faults("" if name is None else name, sequence))
            if found:
                self.faults[row] = name, found
                name = sequence = ""
            self.ids.add(name.encode())
            self._add(np.frombuffer(sequence.encode(), np.uint8), np.array([len(sequence)]))


def _runs(usual_B: Mask) -> Iterator[tuple[int, int]]:
    """Stretches [start, stop) of rows that are all usual, or all not."""
    changes = np.flatnonzero(usual_B[1:] != usual_B[:-1]) + 1
    return pairwise([0, *changes.tolist(), len(usual_B)]) if len(usual_B) else iter(())


def _usual_ids(texts: Texts) -> Mask:
    """Ids of printable ASCII without white space."""
    usual_B = ~texts.null_B & (texts.lengths > 0) & (texts.lengths <= MAX_ID)
    usual_B[texts.rows_of(np.flatnonzero((texts.bytes_D <= ord(" ")) | (texts.bytes_D >= 127)))] = False
    return usual_B


def _usual_sequences(texts: Texts, residues: Bytes) -> Mask:
    usual_B = ~texts.null_B & (texts.lengths > 0)
    usual_B[texts.rows_of(np.flatnonzero(residues == _OTHER))] = False
    return usual_B


def _described(cell: Any) -> str:
    text = str(cell or "")
    # What is plain is one line as it stands, which is seen sooner than made.
    return (text if text.isascii() and text.isprintable() else one_line(text)).strip()


def no_column(path: Path, key: str, wanted: str, names: list[str]) -> str:
    """What is said where a table lacks a column."""
    shown = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
    return f"{path}: has no column {wanted!r}, which {key} names; its columns are {shown}"
