"""The labels of one ion beside a table's rows: taken a stretch at a time, each chain kept once.

Shape legend: B rows of a stretch, R rows of the table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from e1bind.contracts import UNKNOWN
from e1bind.data.chain_table import LabelColumn
from e1bind.data.ids import shown_id
from e1bind.data.labels import united
from e1bind.data.packed_strings import Ints, starts_of
from e1bind.data.text import FileProblems
from e1bind.readers.cells import Chains, Mask, Read
from e1bind.readers.sources import already_read
from e1bind.readers.table_rows import TableRows

Labels = NDArray[np.int8]


class IonLabels:
    """Labels of the rows so far. `read` takes cells of the usual form, `read_one` any; it raises `ValueError`."""

    def __init__(
        self,
        rows: TableRows,
        problems: FileProblems,
        read: Callable[[Any, Chains], Read],
        read_one: Callable[[Any, str], Labels],
    ) -> None:
        self.rows, self.problems, self.read, self.read_one = rows, problems, read, read_one
        self.repeats, self.row = 0, 0
        self._values = bytearray()
        self._known_R = np.zeros(len(rows.ids), np.bool_)

    def take(self, columns: Sequence[Any]) -> None:
        """The next stretch of rows: an array of cells from each of the ion's columns."""
        start, stop = self.row, self.row + len(columns[0])
        cuts = self.rows.sequences.cuts[start : stop + 1]
        chains = Chains(self.rows.sequences.bytes_T[cuts[0] : cuts[-1]], cuts - cuts[0])
        reads = [self.read(column, chains) for column in columns]
        lengths = np.diff(chains.cuts)
        said_B = ~np.all([read.empty_B for read in reads], axis=0)
        usual_B = said_B & (lengths > 0) & np.all([read.empty_B | read.read_B for read in reads], axis=0)
        labels_T = reads[0].labels_T if len(reads) == 1 else _united(reads, lengths)
        begin = 0
        for odd in np.flatnonzero(said_B & ~usual_B).tolist():
            self._add(labels_T, chains.cuts, usual_B, begin, odd)
            cells = [column[odd].as_py() for column in columns]
            if (labels_L := self._one(start + odd, cells)) is not None:
                self._values += labels_L.tobytes()
                usual_B[odd] = True
            begin = odd + 1
        self._add(labels_T, chains.cuts, usual_B, begin, len(usual_B))
        self._known_R[start:stop] = usual_B
        self.row = stop

    def _add(self, labels_T: Labels, cuts: Ints, usual_B: Mask, start: int, stop: int) -> None:
        """Keep the labels of the usual ones among the rows [start, stop) of a stretch."""
        own, labels_T = usual_B[start:stop], labels_T[cuts[start] : cuts[stop]]
        kept = labels_T if own.all() else labels_T[np.repeat(own, np.diff(cuts[start : stop + 1]))]
        self._values += np.ascontiguousarray(kept).data.cast("B")

    def _one(self, row: int, cells: Sequence[Any]) -> Labels | None:
        """The labels of a row; None where it is unknown for the ion, or has problems, which are noted."""
        known = [cell for cell in cells if cell is not None and cell != "" and not str(cell).isspace()]
        if not known:
            return None
        name, found = self.rows.faults.get(row, (self.rows.ids[row], []))
        if not found:
            try:
                return united([self.read_one(cell, self.rows.sequences[row]) for cell in known])
            except ValueError as error:
                found = [str(error)]
        for fault in found:
            self.problems.add(row + 1, f"{shown_id(name)}: {fault}")
        return None

    def column(self) -> LabelColumn:
        """All labels; of rows of one id the first, and a problem for each that contradicts it."""
        values, known_R = np.frombuffer(self._values, np.int8), self._known_R
        rows = np.flatnonzero(known_R)
        _, first, inverse = np.unique(self.rows.first_equal[rows], return_index=True, return_inverse=True)
        again = np.flatnonzero(first[inverse] != np.arange(len(rows)))
        if not len(again):
            return LabelColumn(values, known_R)
        lengths = self.rows.sequences.lengths[rows]
        cuts = starts_of(lengths)
        for place in again.tolist():
            self._compare(values, cuts, rows, int(first[inverse[place]]), place)
        kept = np.ones(len(rows), np.bool_)
        kept[again] = False
        known_R[rows[again]] = False
        return LabelColumn(values[np.repeat(kept, lengths)], known_R)

    def _compare(self, values: Labels, cuts: Ints, rows: Ints, first: int, again: int) -> None:
        """Note where the row at `again` of the known ones contradicts the one at `first`, which has its id."""
        chains = self.rows.sequences
        same_sequence = chains.raw(int(rows[first])) == chains.raw(int(rows[again]))
        own, other = (values[cuts[at] : cuts[at + 1]] for at in (first, again))
        name, at = self.rows.ids[int(rows[first])], f"row {rows[first] + 1}"
        if fault := already_read(name, at, same_sequence, np.array_equal(own, other)):
            self.problems.add(int(rows[again]) + 1, fault)
        else:
            self.repeats += 1


def _united(reads: Sequence[Read], lengths: Ints) -> Labels:
    """The labels of all columns together, as `united` has them, of the rows that every column was read of."""
    found = np.zeros(len(reads[0].labels_T), np.int8)
    for label in (UNKNOWN, 1):
        for read in reads:
            found[(read.labels_T == label) & np.repeat(read.read_B, lengths)] = label
    return found
