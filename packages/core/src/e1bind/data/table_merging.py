"""Tables of several ions' chains, joined into one without a Python object for each chain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from e1bind.data.chain_table import ChainColumns, ChainTable, LabelColumn, Rows, Sources
from e1bind.data.packed_strings import Ints, PackedStrings, blocks, spread, starts_of


def joined_tables(tables: Sequence[ChainTable]) -> ChainTable | None:
    """One row per id, in order of first appearance, with all its labels.

    None where chains contradict each other: one id with two sequences, or labelled twice for an ion.
    """
    if len(tables) == 1 and _ids_differ(tables[0]):
        return tables[0]
    return _of_one_file(tables) or _joined(tables)


def _ids_differ(table: ChainTable) -> bool:
    ids = table.columns.ids.take(table.rows)
    return bool((ids.first_equal() == np.arange(len(ids))).all())


def _of_one_file(tables: Sequence[ChainTable]) -> ChainTable | None:
    """Tables of the same rows that hold the labels of an ion each, without a copy; None for any others."""
    first = tables[0].columns
    columns = [table.columns for table in tables]
    ions = [ion for own in columns for ion in own.labels]
    if any(own.ids is not first.ids or own.sequences is not first.sequences for own in columns):
        return None
    if any(own.alignments is not None for own in columns) or len(set(ions)) < len(ions):
        return None
    rows = np.concatenate([table.rows for table in tables])
    _, at = np.unique(rows, return_index=True)
    rows = rows[np.sort(at)]  # each once, in order of first appearance
    table = ChainTable(replace(first, labels={ion: c for own in columns for ion, c in own.labels.items()}), rows)
    return table if _ids_differ(table) else None


def _joined(tables: Sequence[ChainTable]) -> ChainTable | None:
    """Tables of any rows; `first_M` says of each of the M rows of all tables where its id stands first."""
    ids = PackedStrings.joined([table.columns.ids.take(table.rows) for table in tables])
    first_M = ids.first_equal()
    cuts = starts_of(np.array([len(table) for table in tables], np.int64))
    if not _same_sequences(tables, cuts, first_M):
        return None
    kept = np.flatnonzero(first_M == np.arange(len(first_M)))
    row_M = np.searchsorted(kept, first_M)  # in the new table
    parts = [(table, row_M[a:b]) for table, a, b in zip(tables, cuts[:-1], cuts[1:], strict=True)]
    own = [np.flatnonzero(first_M[a:b] == np.arange(a, b)) for a, b in pairwise(cuts.tolist())]
    rows = [table.rows[at] for table, at in zip(tables, own, strict=True)]
    columns = [table.columns for table in tables]
    sequences = PackedStrings.joined([c.sequences.take(r) for c, r in zip(columns, rows, strict=True)])
    labels = {}
    for ion in dict.fromkeys(ion for of in columns for ion in of.labels):
        column = _labels(ion, parts, sequences.lengths)
        if column is None:
            return None
        labels[ion] = column
    made = ChainColumns(
        ids=ids.take(kept),
        sequences=sequences,
        labels=labels,
        sources=_sources(columns, rows),
        descriptions=_texts([c.descriptions for c in columns], rows),
        alignments=_alignments(parts, len(kept)),
    )
    return ChainTable(made)


def _same_sequences(tables: Sequence[ChainTable], cuts: Ints, first_M: Ints) -> bool:
    """Whether chains of one id have one sequence."""
    again = np.flatnonzero(first_M != np.arange(len(first_M)))
    for place, first in zip(again.tolist(), first_M[again].tolist(), strict=True):
        if _sequence(tables, cuts, place) != _sequence(tables, cuts, first):
            return False
    return True


def _sequence(tables: Sequence[ChainTable], cuts: Ints, place: int) -> bytes:
    number = int(np.searchsorted(cuts, place, side="right")) - 1
    table = tables[number]
    return table.columns.sequences.raw(int(table.rows[place - cuts[number]]))


def _labels(ion: str, parts: Sequence[tuple[ChainTable, Rows]], lengths: Ints) -> LabelColumn | None:
    """The ion's labels of all parts (tables, and the new row of each of their chains); None if one has two."""
    having = [(table, rows, table.knows(ion)) for table, rows in parts if ion in table.columns.labels]
    row = np.concatenate([rows[knows] for _, rows, knows in having])
    if len(np.unique(row)) < len(row):
        return None
    known = np.zeros(len(lengths), np.bool_)
    known[row] = True
    starts = starts_of(np.where(known, lengths, 0))
    values = np.empty(int(starts[-1]), np.int8)
    for table, rows, knows in having:
        old = table.columns.starts[ion][table.rows[knows]]
        _copy(table.columns.labels[ion].values, old, values, starts[rows[knows]], lengths[rows[knows]])
    return LabelColumn(values, known)


def _copy(source: NDArray[np.int8], old: Ints, target: NDArray[np.int8], new: Ints, lengths: Ints) -> None:
    """Copy stretches of given lengths from where they begin in `source` to where they begin in `target`."""
    for start, stop in blocks(starts_of(lengths)):
        own = slice(start, stop)
        target[spread(new[own], lengths[own])] = source[spread(old[own], lengths[own])]


def _sources(columns: Sequence[ChainColumns], rows: Sequence[Rows]) -> Sources:
    beginnings: dict[str, int] = {}
    parts = []
    for of, own in zip(columns, rows, strict=True):
        code = np.array([beginnings.setdefault(b, len(beginnings)) for b in of.sources.beginnings], np.int32)
        parts.append((code[of.sources.beginning_R[own]] if len(code) else code, of.sources.number_R[own]))
    beginning, number = (np.concatenate(of) for of in zip(*parts, strict=True))
    return Sources(tuple(beginnings), beginning, number)


def _texts(columns: Sequence[PackedStrings | None], rows: Sequence[Rows]) -> PackedStrings | None:
    if all(column is None for column in columns):
        return None
    nothing = [PackedStrings(np.zeros(0, np.uint8), np.zeros(len(own) + 1, np.int64)) for own in rows]
    own = [
        empty if column is None else column.take(at)
        for column, at, empty in zip(columns, rows, nothing, strict=True)
    ]
    return PackedStrings.joined(own)


def _alignments(parts: Sequence[tuple[ChainTable, Rows]], count: int) -> PackedStrings | None:
    """The first alignment that a part has of each chain."""
    found = [b""] * count
    for table, rows in parts:
        if table.columns.alignments is not None:
            for row, old in zip(rows.tolist(), table.rows.tolist(), strict=True):
                found[row] = found[row] or table.columns.alignments.raw(old)
    if not any(found):
        return None
    return PackedStrings.of([path.decode() for path in found])
