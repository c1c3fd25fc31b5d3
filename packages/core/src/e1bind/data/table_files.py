"""A `ChainTable` as files that processes map into their memory: all of a machine's share what one of them read.

A folder holds one .npy file for each array, and `table.json` with what is no array. Such a folder lives as long as
the run that made it, and is read by the version that wrote it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from e1bind.data.chain_table import ChainColumns, ChainTable, LabelColumn, Sources
from e1bind.data.packed_strings import PackedStrings

_STRINGS = ("ids", "sequences", "descriptions", "alignments")


def write_table(table: ChainTable, folder: Path) -> None:
    """Write a table's columns and rows into a folder. Raises OSError."""
    columns = table.columns
    arrays: dict[str, NDArray[Any]] = {
        "rows": table.rows,
        "beginnings": columns.sources.beginning_R,
        "numbers": columns.sources.number_R,
    }
    strings = {name: getattr(columns, name) for name in _STRINGS if getattr(columns, name) is not None}
    for name, own in strings.items():
        arrays |= {f"{name}-bytes": own.bytes_T, f"{name}-cuts": own.cuts}
    for number, column in enumerate(columns.labels.values()):
        arrays |= {f"labels-{number}": column.values, f"known-{number}": column.known_R}
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)
    facts = {"ions": list(columns.labels), "beginnings": columns.sources.beginnings, "strings": list(strings)}
    (folder / "table.json").write_text(json.dumps(facts), encoding="utf-8")


def mapped_table(folder: Path) -> ChainTable:
    """The table of a folder, mapped; where it is pickled the folder's name is, and none of its chains."""
    return ChainTable(MappedColumns.of(folder), _array(folder, "rows"))


class MappedColumns(ChainColumns):
    """Columns in files."""

    folder: Path

    @classmethod
    def of(cls, folder: Path) -> MappedColumns:
        """Those of a folder that `write_table` wrote."""
        facts = json.loads((folder / "table.json").read_text(encoding="utf-8"))
        strings = {
            name: PackedStrings(_array(folder, f"{name}-bytes"), _array(folder, f"{name}-cuts"))
            for name in facts["strings"]
        }
        labels = {
            ion: LabelColumn(_array(folder, f"labels-{number}"), _array(folder, f"known-{number}"))
            for number, ion in enumerate(facts["ions"])
        }
        sources = Sources(tuple(facts["beginnings"]), _array(folder, "beginnings"), _array(folder, "numbers"))
        columns = cls(labels=labels, sources=sources, **strings)
        object.__setattr__(columns, "folder", folder)
        return columns

    def __reduce__(self) -> tuple[Any, ...]:
        return MappedColumns.of, (self.folder,)


def _array(folder: Path, name: str) -> NDArray[Any]:
    # An empty file cannot be mapped.
    path = folder / f"{name}.npy"
    return np.load(path, mmap_mode="r" if path.stat().st_size > 128 else None, allow_pickle=False)
