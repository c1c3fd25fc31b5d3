"""Reader `table`: CSV, TSV or Parquet with a row for each chain.

A cell of an ion's column holds labels, or the positions of binding residues. A chain whose cell is empty is unknown
for the ion, and is not among its records. Several columns that mean one ion, or the ions of a group, are united.

Half a million chains fit: cells of the usual form are read a stretch of rows at a time into a `ChainTable`, and ids
and sequences once for all ions of a file. What is odd is read cell by cell, with what is wrong of it.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from e1bind.data.chain_table import ChainColumns, ChainTable, LabelColumn
from e1bind.data.ions import meant_by
from e1bind.data.labels import labels_fault, labels_of_text
from e1bind.data.lookalikes import Lookalikes
from e1bind.data.text import FileProblems
from e1bind.errors import DataError
from e1bind.readers.base import FileReader
from e1bind.readers.cells import Chains, Read, read_labels, read_places
from e1bind.readers.ion_labels import IonLabels
from e1bind.readers.options import TableOptions
from e1bind.readers.positions import labels_of_positions
from e1bind.readers.sources import say_repeats
from e1bind.readers.table_rows import TableRows, no_column, read_rows, stamp_of

log = logging.getLogger(__name__)


class TableReader(FileReader[TableOptions]):
    """Reads one table for all ions, or one for each."""

    table = "data.table"

    def __init__(self, options: TableOptions) -> None:
        super().__init__(options)
        self._rows: TableRows | None = None
        self._read: set[str] = set()

    def chains(self, path: Path, ion: str) -> ChainTable:
        """The chains whose rows have labels for the ion. Raises `DataError`."""
        rows = self._rows_of(path, ion)
        columns = self._columns(rows.file.names, ion, path)
        problems = FileProblems(path, unit="row")
        labels = IonLabels(rows, problems, self._read_cells, self._read_cell)
        for cells in rows.file.batches(columns):
            if labels.row + len(cells[0]) > len(rows.ids):
                break
            labels.take(cells)
        if labels.row < len(rows.ids) or rows.stamp != stamp_of(path):
            raise DataError(f"{path}: was changed while it was read; try again once it is whole")
        column = labels.column()
        _tell_of_lookalikes(rows, column, problems)
        if labels.repeats:
            say_repeats(path, labels.repeats)
        if not column.known_R.any():
            raise DataError(f"{path}: no chain has labels of {ion}, in the column {', '.join(columns)}")
        made = ChainColumns(rows.ids, rows.sequences, {ion: column}, rows.sources, rows.descriptions)
        return ChainTable(made, np.flatnonzero(column.known_R))

    def _rows_of(self, path: Path, ion: str) -> TableRows:
        """The file's rows, kept for the other ions it may hold; an ion that is asked for again reads it anew."""
        if (
            self._rows is None
            or ion in self._read
            or (path, stamp_of(path)) != (self._rows.file.path, self._rows.stamp)
        ):
            self._rows, self._read = None, set()  # two files at once would take twice the memory
            self._rows = read_rows(path, self.options, self.rare_to_x)
        self._read.add(ion)
        return self._rows

    def _columns(self, names: list[str], ion: str, path: Path) -> list[str]:
        """The columns that hold the ion's labels. Raises `DataError` where there are none."""
        wanted = self.options.column.replace("{ion}", ion)
        if wanted in names:
            return [wanted]
        before, _, after = self.options.column.partition("{ion}")
        inner = {name[len(before) : len(name) - len(after)]: name for name in names if _fits(name, before, after)}
        meant = [inner[name] for name in meant_by(ion, inner)] if "{ion}" in self.options.column else []
        others = (self.options.id, self.options.sequence, self.options.description)
        meant = [name for name in meant if name not in others]
        if not meant:
            raise DataError(no_column(path, "data.table.column", wanted, names))
        return meant

    def _read_cells(self, column: Any, chains: Chains) -> Read:
        if self.options.values == "labels":
            return read_labels(column, chains)
        assert self.options.first is not None
        return read_places(column, chains, self.options.first)

    def _read_cell(self, cell: Any, sequence: str) -> NDArray[np.int8]:
        """Labels [L] of any cell. Raises `ValueError`."""
        if self.options.values == "labels":
            return _labels_of_string(cell, sequence)
        if isinstance(cell, int | float):
            cell = str(cell).removesuffix(".0")
        assert self.options.first is not None
        return labels_of_positions(cell, sequence, self.options.first)


def _tell_of_lookalikes(rows: TableRows, column: LabelColumn, problems: FileProblems) -> None:
    """Raise the file's problems; of a file without any, tell how many chains look like no protein."""
    lookalikes = Lookalikes(str(problems.path), log.warning, problems.unit)
    for row in np.flatnonzero(column.known_R & rows.odd_R).tolist():
        lookalikes.see(rows.ids[row], row + 1, [rows.sequences[row]])
    problems.raise_any()
    lookalikes.end()


def _fits(name: str, before: str, after: str) -> bool:
    return len(name) > len(before) + len(after) and name.startswith(before) and name.endswith(after)


def _labels_of_string(cell: Any, sequence: str) -> NDArray[np.int8]:
    """Labels [L] of a string of 0, 1 and ?. Raises `ValueError`."""
    if not isinstance(cell, str):
        advice = 'values = "positions" reads lists' if isinstance(cell, list) else "store the column as text"
        raise ValueError(f"the labels are no text but {type(cell).__name__}; {advice}")
    text = "".join(cell.split())
    if fault := labels_fault(text):
        hint = ' (positions are read with values = "positions")' if set(text) & set(",;23456789") else ""
        raise ValueError(fault[1] + hint)
    if len(text) != len(sequence):
        raise ValueError(f"{len(sequence)} residues but {len(text)} labels; give exactly one label per residue")
    return labels_of_text(text)
