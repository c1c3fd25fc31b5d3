"""Reader `table`: CSV, TSV or Parquet with a row for each chain.

A cell of an ion's column holds labels, or the positions of binding residues. A chain whose cell is empty is unknown
for the ion, and is not among its records. Several columns that mean one ion, or the ions of a group, are united.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from e1bind.contracts import ResidueRecord
from e1bind.data.ids import shown_id
from e1bind.data.ions import meant_by
from e1bind.data.labels import labels_fault, labels_of_text, united
from e1bind.data.letters import read_letters
from e1bind.data.text import FileProblems
from e1bind.errors import DataError
from e1bind.files.text import one_line
from e1bind.readers.arrow import read_table
from e1bind.readers.base import FileReader
from e1bind.readers.options import TableOptions
from e1bind.readers.positions import labels_of_positions
from e1bind.readers.sources import Chains, chain_faults


class TableReader(FileReader[TableOptions]):
    """Reads one table for all ions, or one for each."""

    table = "data.table"

    def chains(self, path: Path, ion: str) -> list[ResidueRecord]:
        """The chains whose rows have labels for the ion. Raises `DataError`."""
        table = read_table(path)
        columns = self._columns(table.column_names, ion, path)
        chains = Chains(FileProblems(path, unit="row"))
        said = self.options.description in table.column_names
        for number, row in enumerate(_rows(table, self.options, columns, said), start=1):
            record = self._record(row, ion, f"{path} row {number}", number, chains.problems)
            if record is not None:
                chains.add(record, number)
        records = chains.all()
        if not records:
            raise DataError(f"{path}: no chain has labels of {ion}, in the column {', '.join(columns)}")
        return records

    def _columns(self, names: list[str], ion: str, path: Path) -> list[str]:
        """The columns that hold the ion's labels. Raises `DataError` for one that is not there."""
        for key in ("id", "sequence"):
            if getattr(self.options, key) not in names:
                raise DataError(_no_column(path, f"data.table.{key}", getattr(self.options, key), names))
        wanted = self.options.column.replace("{ion}", ion)
        if wanted in names:
            return [wanted]
        before, _, after = self.options.column.partition("{ion}")
        inner = {name[len(before) : len(name) - len(after)]: name for name in names if _fits(name, before, after)}
        meant = [inner[name] for name in meant_by(ion, inner)] if "{ion}" in self.options.column else []
        others = (self.options.id, self.options.sequence, self.options.description)
        meant = [name for name in meant if name not in others]
        if not meant:
            raise DataError(_no_column(path, "data.table.column", wanted, names))
        return meant

    def _record(
        self, row: tuple[Any, ...], ion: str, source: str, number: int, problems: FileProblems
    ) -> ResidueRecord | None:
        """The chain of a row; None where it is unknown for the ion, or has problems, which are noted."""
        name, text, description, *cells = row
        known = [cell for cell in cells if cell is not None and cell != "" and not str(cell).isspace()]
        if not known:
            return None
        name = str(name).strip() if isinstance(name, str | int) else name
        sequence = read_letters("".join(str(text or "").split()), self.rare_to_x)
        found = list(chain_faults("" if name is None else name, sequence))
        try:
            labels = [self._labels(cell, sequence) for cell in known] if not found else []
        except ValueError as error:
            found.append(str(error))
        for fault in found:
            problems.add(number, f"{shown_id(name)}: {fault}")
        if found:
            return None
        description = one_line(str(description or "")).strip()
        return ResidueRecord(name, sequence, {ion: united(labels)}, source=source, description=description)

    def _labels(self, cell: Any, sequence: str) -> NDArray[np.int8]:
        if self.options.values == "positions":
            if isinstance(cell, int | float):
                cell = str(cell).removesuffix(".0")
            assert self.options.first is not None
            return labels_of_positions(cell, sequence, self.options.first)
        return _labels_of_string(cell, sequence)


def _rows(table: Any, options: TableOptions, columns: list[str], said: bool) -> Iterator[tuple[Any, ...]]:
    """Id, sequence, description and the ion's cells of each row, a batch at a time: never all of them in Python."""
    names = [options.id, options.sequence, *[options.description] * said, *columns]
    for batch in table.select(names).to_batches(max_chunksize=4096):
        cells = [column.to_pylist() for column in batch.columns]
        yield from zip(*cells[:2], *([] if said else [[""] * len(cells[0])]), *cells[2:], strict=True)


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


def _no_column(path: Path, key: str, wanted: str, names: list[str]) -> str:
    shown = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
    return f"{path}: has no column {wanted!r}, which {key} names; its columns are {shown}"
