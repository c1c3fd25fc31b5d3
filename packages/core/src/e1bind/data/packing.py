"""Records as a `ChainTable`, whichever reader they come from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from e1bind.contracts import ResidueRecord
from e1bind.data.chain_table import ChainColumns, ChainTable, LabelColumn, Sources
from e1bind.data.packed_strings import PackedStrings

_NUMBERED = re.compile(r"(.*?)(0|[1-9][0-9]{0,17})?", re.DOTALL)


def packed(records: Sequence[ResidueRecord]) -> ChainTable | None:
    """The records in columns; None where a table would not give them back as they are.

    Those are records of a class of their own, and sequences or names that are no plain text.
    """
    if isinstance(records, ChainTable):
        return records
    if not all(type(record) is ResidueRecord and record.sequence.isascii() for record in records):
        return None
    try:
        columns = ChainColumns(
            ids=PackedStrings.of([record.id for record in records]),
            sequences=PackedStrings.of([record.sequence for record in records]),
            labels=_labels(records),
            sources=_sources([record.source for record in records]),
            descriptions=_unless_empty([record.description for record in records]),
            alignments=_unless_empty(["" if record.msa is None else str(record.msa) for record in records]),
        )
    except ValueError:  # a lone surrogate in a name, or labels that do not go with the residues
        return None
    return ChainTable(columns)


def _labels(records: Sequence[ResidueRecord]) -> Mapping[str, LabelColumn]:
    values: dict[str, bytearray] = {}
    known: dict[str, NDArray[np.bool_]] = {}
    for row, record in enumerate(records):
        for ion, labels_L in record.labels.items():
            if labels_L.dtype != np.int8:
                raise ValueError(f"labels of type {labels_L.dtype}")
            if ion not in values:
                values[ion], known[ion] = bytearray(), np.zeros(len(records), np.bool_)
            values[ion] += labels_L.tobytes()
            known[ion][row] = True
    return {ion: LabelColumn(np.frombuffer(own, np.int8), known[ion]) for ion, own in values.items()}


def _sources(texts: Sequence[str]) -> Sources:
    """Many records have sources of one file that differ in the number at their end."""
    beginnings: dict[str, int] = {}
    parts = [(beginnings.setdefault(text, len(beginnings)), number) for text, number in _parted(texts)]
    beginning_R, number_R = np.array(parts, np.int64).reshape(-1, 2).T
    for beginning in beginnings:
        beginning.encode()
    return Sources(tuple(beginnings), beginning_R.astype(np.int32), number_R)


def _parted(texts: Sequence[str]) -> Iterator[tuple[str, int]]:
    for text in texts:
        found = _NUMBERED.fullmatch(text)
        beginning, number = found.groups() if found else (text, None)
        yield beginning, -1 if number is None else int(number)


def _unless_empty(texts: Sequence[str]) -> PackedStrings | None:
    return PackedStrings.of(texts) if any(texts) else None
