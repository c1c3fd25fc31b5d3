"""Chains from a table. Shape legend: L residues of a chain."""

import csv
import re
from pathlib import Path

import numpy as np

from e1bind.contracts import STANDARD_RESIDUES, ResidueRecord
from e1bind.errors import DataError
from site_tables.options import SiteTableOptions

RESIDUES = set(STANDARD_RESIDUES + "X")
SITE = re.compile(r"([A-Z]?)([0-9]+)")
UNKNOWN_CHAIN = "?"


class SiteTable:
    """Reads one table for all ions, or one for each. All problems of a table are told at once."""

    def __init__(self, options: SiteTableOptions) -> None:
        self.options = options

    def read(self, ion: str, split: str) -> list[ResidueRecord]:
        """The chains that are known for `ion`. Raises `DataError`, which names the file and the lines."""
        path = self._path(ion, split)
        rows = self._rows(path, ion)
        records, problems, lines = [], [], {}
        for number, row in rows:
            try:
                record = self._record(row, ion, f"{path}:{number}")
            except ValueError as error:
                problems.append(f"line {number}: {error}")
                continue
            if record is None:
                continue
            if record.id in lines:
                problems.append(f"line {number}: {record.id!r} stands in line {lines[record.id]} already")
            lines[record.id] = number
            records.append(record)
        if problems:
            raise DataError(f"{path}: " + "; ".join(problems[:10]))
        if not records:
            raise DataError(f"{path}: holds no chain that is known for {ion}")
        return records

    def _path(self, ion: str, split: str) -> Path:
        template = {"train": self.options.train, "test": self.options.test}.get(split)
        if template is None:
            raise DataError(f"no {split} data: name a file in data.site-table.{split}")
        return Path(str(template).replace("{ion}", ion))

    def _rows(self, path: Path, ion: str) -> list[tuple[int, dict[str, str]]]:
        """Line and cells of each chain, by what they are."""
        columns = {"id": self.options.id, "sequence": self.options.sequence}
        columns["sites"] = self.options.sites.replace("{ion}", ion)
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                reader = csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ",", strict=True)
                missing = [name for name in columns.values() if name not in (reader.fieldnames or ())]
                if missing:
                    raise DataError(f"{path}: has no column {', '.join(missing)}; it has {reader.fieldnames}")
                return [
                    (reader.line_num, {what: (row[name] or "").strip() for what, name in columns.items()})
                    for row in reader
                ]
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror}); correct the path or the ion") from error
        except (csv.Error, UnicodeDecodeError) as error:
            raise DataError(f"{path}: is no table of the kind its name says: {error}") from error

    def _record(self, row: dict[str, str], ion: str, where: str) -> ResidueRecord | None:
        """The chain of a row; None where it is unknown for the ion. Raises `ValueError`."""
        sequence = row["sequence"].upper()
        if not row["id"] or not sequence:
            raise ValueError("has no id or no sequence")
        if strange := set(sequence) - RESIDUES:
            raise ValueError(f"{row['id']!r} holds {sorted(strange)}; residues are the 20 letters and X")
        if row["sites"] == UNKNOWN_CHAIN:
            return None
        labels_L = np.zeros(len(sequence), dtype=np.int8)
        for word in row["sites"].replace(",", " ").replace(";", " ").split():
            labels_L[self._place(word, sequence)] = 1
        return ResidueRecord(row["id"], sequence, {ion: labels_L}, source=where)

    def _place(self, word: str, sequence: str) -> int:
        """Index of a residue that is written `C12` or `12`. Raises `ValueError`."""
        found = SITE.fullmatch(word)
        if found is None:
            raise ValueError(f"{word!r} is no residue; write C12 or 12")
        place = int(found[2]) - self.options.first
        if not 0 <= place < len(sequence):
            raise ValueError(f"{word!r} is beyond the {len(sequence)} residues of the chain")
        if found[1] and found[1] != sequence[place]:
            raise ValueError(f"{word!r}: residue {found[2]} is {sequence[place]}; is `first` right?")
        return place
