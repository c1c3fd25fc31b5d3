"""What is asked of many records at once, whether they are a `ChainTable` or any other sequence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from e1bind.contracts import ResidueRecord
from e1bind.data.by_chain import ByChain
from e1bind.data.chain_table import ChainTable

Ints = NDArray[np.int64]


def picked(
    records: Sequence[ResidueRecord], places: NDArray[np.int64] | NDArray[np.bool_]
) -> Sequence[ResidueRecord]:
    """The records at some places, or those of a mask; of a table a table."""
    if isinstance(records, ChainTable):
        return records.take(places)
    return [records[i] for i in (np.flatnonzero(places) if places.dtype == np.bool_ else places).tolist()]


def known_mask(records: Sequence[ResidueRecord], ion: str) -> NDArray[np.bool_]:
    """Whether the ion was observed for each record, [N]."""
    if isinstance(records, ChainTable):
        return records.knows(ion)
    return np.array([ion in record.labels for record in records], np.bool_)


def known_for(records: Sequence[ResidueRecord], ion: str) -> Sequence[ResidueRecord]:
    """The records that an ion was observed for, in their order."""
    return picked(records, known_mask(records, ion))


def chains_of(records: Sequence[ResidueRecord], ion: str) -> Sequence[ResidueRecord]:
    """The records that an ion was observed for, by id, so that no draw among them depends on their order."""
    return by_id(known_for(records, ion))


def by_id(records: Sequence[ResidueRecord]) -> Sequence[ResidueRecord]:
    """The records in the order of their ids."""
    return picked(records, order_by_id(records))


def order_by_id(records: Sequence[ResidueRecord]) -> Ints:
    """The places of the records in the order of their ids, [N]."""
    ids = ids_of(records)
    return np.array(sorted(range(len(ids)), key=ids.__getitem__), np.int64)


def ids_of(records: Sequence[ResidueRecord]) -> list[str]:
    """The id of each record."""
    return records.ids() if isinstance(records, ChainTable) else [record.id for record in records]


def aligned_mask(records: Sequence[ResidueRecord]) -> NDArray[np.bool_]:
    """Whether each record has an alignment, [N]."""
    if isinstance(records, ChainTable):
        return records.aligned
    return np.array([record.msa is not None for record in records], np.bool_)


def lengths_of(records: Sequence[ResidueRecord]) -> Ints:
    """Residues of each record [N]."""
    if isinstance(records, ChainTable):
        return records.lengths
    return np.array([len(record) for record in records], np.int64)


def counts_of(records: Sequence[ResidueRecord], ion: str) -> tuple[Ints, Ints]:
    """Residues of each record that have a known label for the ion, and those that bind it, [N] and [N]."""
    if isinstance(records, ChainTable):
        own = records.counts(ion)
        return own[0].astype(np.int64), own[1].astype(np.int64)
    none = np.zeros(0, np.int8)
    labels = [record.labels.get(ion, none) for record in records]
    counts = [[np.count_nonzero(of >= 0), np.count_nonzero(of == 1)] for of in labels]
    known, binding = np.array(counts, np.int64).reshape(-1, 2).T
    return known, binding


def along(records: Sequence[ResidueRecord], number_of: Mapping[str, int]) -> Ints:
    """The number that each record's id has, [N]. Raises KeyError."""
    if isinstance(records, ChainTable) and isinstance(number_of, ByChain) and number_of.is_of(records):
        return number_of.along(records)
    return np.array([number_of[name] for name in ids_of(records)], np.int64)


def by_chain(records: Sequence[ResidueRecord], number_N: Ints) -> Mapping[str, int]:
    """The number of each record by its id, for `along`."""
    if isinstance(records, ChainTable):
        return ByChain(records, number_N)
    return dict(zip(ids_of(records), number_N.tolist(), strict=True))
