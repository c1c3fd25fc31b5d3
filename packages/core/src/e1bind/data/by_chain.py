"""A number for each chain of a table, looked up by id as in a dict that would take a hundred bytes a chain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from e1bind.data.chain_table import ChainTable


class ByChain(Mapping[str, int]):
    """The numbers `value_N` of the N chains of a table, by id. All ids differ."""

    def __init__(self, table: ChainTable, value_N: NDArray[np.integer]) -> None:
        self._table, self._value_R = table, np.zeros(len(table.columns), np.int32)
        self._value_R[table.rows] = value_N

    def is_of(self, table: ChainTable) -> bool:
        """Whether the chains of `table`, a part of the same columns, are looked up without their ids."""
        return table.columns is self._table.columns

    def along(self, table: ChainTable) -> NDArray[np.int64]:
        """The number of each chain of a part of the table."""
        return self._value_R[table.rows].astype(np.int64)

    def __getitem__(self, name: str) -> int:
        hashes, rows = self._index
        raw, ids = name.encode(errors="replace"), self._table.columns.ids
        at = int(np.searchsorted(hashes, hash(raw)))
        while at < len(hashes) and hashes[at] == hash(raw):
            if ids.raw(int(rows[at])) == raw:
                return int(self._value_R[rows[at]])
            at += 1
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._table.ids())

    def __len__(self) -> int:
        return len(self._table)

    @cached_property
    def _index(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Hashes of the ids, ascending, and the row of each."""
        names = self._table.columns.ids
        hashes = np.array([hash(names.raw(row)) for row in self._table.rows.tolist()], np.int64)
        order = np.argsort(hashes)
        return hashes[order], self._table.rows[order]

    def __getstate__(self) -> dict[str, object]:
        # Hashes of bytes differ from process to process.
        return {name: value for name, value in vars(self).items() if name != "_index"}
