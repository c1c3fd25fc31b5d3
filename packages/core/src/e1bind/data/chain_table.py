"""Labelled chains in columns: what half a million of them take is their letters and labels, once.

A `ChainTable` is a sequence of `ResidueRecord`s that are made when they are asked for, from a few buffers. Forked
processes share the buffers, since nothing in them counts references. A part of a table is a table with the same
buffers.

Shape legend: R rows of the columns, N chains of a table, T residues of all rows, K labelled residues of an ion.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from e1bind.contracts import UNKNOWN, ResidueRecord
from e1bind.data.made import Made
from e1bind.data.packed_strings import BLOCK, Ints, PackedStrings, blocks, frozen, starts_of

Rows = NDArray[np.int64]
Counts = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class LabelColumn:
    """Labels of one ion: `values` int8 [K] of all rows that are known for it, in order; `known_R` says which."""

    values: NDArray[np.int8]
    known_R: NDArray[np.bool_]

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", frozen(self.values))
        object.__setattr__(self, "known_R", frozen(self.known_R))


@dataclass(frozen=True, eq=False)
class Sources:
    """Where each row was read: one of the `beginnings`, and the number that follows it; -1 where none does."""

    beginnings: tuple[str, ...]
    beginning_R: NDArray[np.int32]
    number_R: NDArray[np.int64]

    def __getitem__(self, row: int) -> str:
        number = int(self.number_R[row])
        return self.beginnings[self.beginning_R[row]] + (str(number) if number >= 0 else "")

    def take(self, rows: Rows) -> Sources:
        """Of some rows."""
        return Sources(self.beginnings, self.beginning_R[rows], self.number_R[rows])


@dataclass(frozen=True, eq=False)
class ChainColumns:
    """What is known of R chains. `descriptions` and `alignments` (paths, "" for none) are None where no chain has
    one.

    Raises `ValueError` where the columns contradict each other; sequences are ASCII, a byte for each residue.
    """

    ids: PackedStrings
    sequences: PackedStrings
    labels: Mapping[str, LabelColumn]
    sources: Sources
    descriptions: PackedStrings | None = None
    alignments: PackedStrings | None = None

    def __post_init__(self) -> None:
        rows = len(self.ids)
        texts = [of for of in (self.sequences, self.descriptions, self.alignments) if of is not None]
        lengths = [len(self.sources.number_R), len(self.sources.beginning_R), *map(len, texts)]
        if any(length != rows for length in lengths):
            raise ValueError("the columns are not equally long")
        for ion, column in self.labels.items():
            self._check(ion, column)

    def _check(self, ion: str, column: LabelColumn) -> None:
        if column.values.dtype != np.int8 or column.known_R.dtype != np.bool_:
            raise ValueError(f"labels of {ion} are no int8, or their rows no bool")
        if len(column.known_R) != len(self):
            raise ValueError(f"labels of {ion} are not one for each residue")
        lengths = self.sequences.lengths[column.known_R]
        if len(column.values) != lengths.sum() or not lengths.all():
            raise ValueError(f"labels of {ion} are not one for each residue, or of a chain without any")
        if len(column.values) and (column.values.min() < UNKNOWN or column.values.max() > 1):
            raise ValueError(f"labels of {ion} other than 0, 1 and {UNKNOWN} (unknown)")

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def starts(self) -> Mapping[str, Ints]:
        """For each ion where the labels of each row begin, [R + 1]; of no meaning for a row that is unknown."""
        lengths = self.sequences.lengths
        return {ion: starts_of(np.where(column.known_R, lengths, 0)) for ion, column in self.labels.items()}

    @cached_property
    def counts(self) -> Mapping[str, tuple[Counts, Counts]]:
        """For each ion the residues with a known label and those that bind, of each row, [R] and [R]."""
        return {ion: self._counts(ion) for ion in self.labels}

    def _counts(self, ion: str) -> tuple[Counts, Counts]:
        column, cuts = self.labels[ion], self.starts[ion]
        rows = np.flatnonzero(column.known_R)
        own = np.append(cuts[rows], len(column.values))
        known_R, binding_R = np.zeros(len(self), np.int32), np.zeros(len(self), np.int32)
        for start, stop in blocks(own):
            values, at = column.values[own[start] : own[stop]], own[start:stop] - own[start]
            known_R[rows[start:stop]] = np.add.reduceat(values != UNKNOWN, at, dtype=np.int32)
            binding_R[rows[start:stop]] = np.add.reduceat(values == 1, at, dtype=np.int32)
        return known_R, binding_R


class ChainTable(Made[ResidueRecord]):
    """Chains at `rows` of `columns` (all of them where None), in that order."""

    def __init__(self, columns: ChainColumns, rows: Rows | None = None) -> None:
        self.columns = columns
        self.rows = frozen(np.arange(len(columns)) if rows is None else np.asarray(rows, np.int64))

    def __len__(self) -> int:
        return len(self.rows)

    def _one(self, place: int) -> ResidueRecord:
        return self._record(int(self.rows[place]))

    def _part(self, index: slice) -> ChainTable:
        return self.take(self.rows[index], of_rows=True)

    def __iter__(self) -> Iterator[ResidueRecord]:
        return map(self._record, self.rows.tolist())

    def take(self, places: Rows | NDArray[np.bool_], of_rows: bool = False) -> ChainTable:
        """The chains at some places of this table, or those of a mask; `of_rows`: at rows of its columns."""
        return ChainTable(self.columns, np.asarray(places) if of_rows else self.rows[places])

    def knows(self, ion: str) -> NDArray[np.bool_]:
        """Whether each chain has labels for the ion, [N]."""
        column = self.columns.labels.get(ion)
        return np.zeros(len(self), dtype=np.bool_) if column is None else column.known_R[self.rows]

    def ids(self) -> list[str]:
        """The id of each chain."""
        return list(self.columns.ids) if self._is_whole else [self.columns.ids[row] for row in self.rows.tolist()]

    @property
    def lengths(self) -> Ints:
        """Residues of each chain [N]."""
        return self.columns.sequences.lengths[self.rows]

    @property
    def aligned(self) -> NDArray[np.bool_]:
        """Whether each chain has an alignment [N]."""
        paths = self.columns.alignments
        return np.zeros(len(self), np.bool_) if paths is None else paths.lengths[self.rows] > 0

    def counts(self, ion: str) -> tuple[Counts, Counts]:
        """Residues with a known label of 0 or 1, and those that bind, of each chain, [N] and [N]."""
        if ion not in self.columns.labels:
            return np.zeros(len(self), np.int32), np.zeros(len(self), np.int32)
        known_R, binding_R = self.columns.counts[ion]
        return known_R[self.rows], binding_R[self.rows]

    def binding(self, ion: str) -> Ints:
        """Places in `columns.sequences.bytes_T` of all residues of these chains that bind the ion, ascending."""
        column = self.columns.labels.get(ion)
        if column is None:
            return np.zeros(0, np.int64)
        ends = range(0, len(column.values), BLOCK)
        places = np.concatenate([np.flatnonzero(column.values[at : at + BLOCK] == 1) + at for at in (0, *ends[1:])])
        known = np.flatnonzero(column.known_R)
        starts = self.columns.starts[ion]
        row = known[np.searchsorted(starts[known], places, side="right") - 1]
        places += self.columns.sequences.cuts[row] - starts[row]
        chosen_R = np.zeros(len(self.columns), np.bool_)
        chosen_R[self.rows] = True
        return places[chosen_R[row]]

    def with_alignments(self, paths: Sequence[Path | None]) -> ChainTable:
        """The same chains, each with the path of its alignment, or without one."""
        texts = [""] * len(self.columns)
        for row, path in zip(self.rows.tolist(), paths, strict=True):
            texts[row] = "" if path is None else str(path)
        return ChainTable(replace(self.columns, alignments=PackedStrings.of(texts)), self.rows)

    @property
    def _is_whole(self) -> bool:
        return len(self.rows) == len(self.columns) and bool((self.rows == np.arange(len(self.rows))).all())

    def _record(self, row: int) -> ResidueRecord:
        columns = self.columns
        labels = {}
        for ion, column in columns.labels.items():
            if column.known_R[row]:
                start = columns.starts[ion][row : row + 2]
                labels[ion] = column.values[start[0] : start[1]]
        path = "" if columns.alignments is None else columns.alignments[row]
        return ResidueRecord(
            columns.ids[row],
            columns.sequences[row],
            labels,
            msa=Path(path) if path else None,
            source=columns.sources[row],
            description="" if columns.descriptions is None else columns.descriptions[row],
        )
