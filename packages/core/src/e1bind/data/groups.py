"""Groups of related chains, which must never be parted: what holds them together, and what each of them holds.

Shape legend: N chains, G groups, P pairs, Q quantities to balance (for each ion its chains, labelled residues and
positives).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from e1bind.contracts import ResidueRecord
from e1bind.data.by_chain import ByChain
from e1bind.data.chain_table import ChainTable
from e1bind.data.columns import along, counts_of, ids_of, known_mask
from e1bind.errors import DataError

Ints = NDArray[np.int64]

PER_ION = 3
"""Quantities balanced for each ion: chains, labelled residues, positives; the last one must be in every part."""


def components(count: int, pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """The numbers below `count` by what joins them, directly or through others; ordered by their first member."""
    members: dict[int, list[int]] = {}
    for number, part in enumerate(_parts(count, np.array(sorted(pairs), np.int64).reshape(-1, 2)).tolist()):
        members.setdefault(part, []).append(number)
    return list(members.values())


def _parts(count: int, pairs_P2: Ints) -> Ints:
    """The part of each number below `count`: what is joined by pairs, directly or through others, is one."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    weights = np.ones(len(pairs_P2), dtype=np.int8)
    graph = coo_array((weights, (pairs_P2[:, 0], pairs_P2[:, 1])), shape=(count, count))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def join_groups(records: Sequence[ResidueRecord], groups: Mapping[str, str] | Mapping[str, int] | None) -> Ints:
    """The group of each record, [N]: joined over clusters and identical sequences, numbered by their first member.

    `groups` names the cluster of each id. Raises `DataError` where ids have none.
    """
    same = [_sequences(records)]
    if groups is not None:
        same.append(_clusters(records, groups))
    firsts = [_first_equal(codes) for codes in same]
    count = len(records)
    if len(firsts) == 1:
        return _in_order(firsts[0])
    pairs = np.concatenate([np.column_stack([first, np.arange(count)]) for first in firsts])
    return _in_order(_parts(count, pairs))


def _sequences(records: Sequence[ResidueRecord]) -> Ints:
    """A number for each record's sequence, [N]."""
    if isinstance(records, ChainTable):
        return records.columns.sequences.first_equal()[records.rows]
    return _codes([record.sequence for record in records])


def _clusters(records: Sequence[ResidueRecord], groups: Mapping[str, str] | Mapping[str, int]) -> Ints:
    """A number for each record's cluster, [N]."""
    if isinstance(records, ChainTable) and isinstance(groups, ByChain) and groups.is_of(records):
        return along(records, groups)
    ids = ids_of(records)
    if missing := [name for name in ids if name not in groups]:
        raise DataError(f"{len(missing)} chains have no homology group ({', '.join(missing[:10])})")
    return _codes([groups[name] for name in ids])


def _codes(names: Sequence[str | int]) -> Ints:
    codes: dict[str | int, int] = {}
    return np.array([codes.setdefault(name, len(codes)) for name in names], np.int64)


def _first_equal(codes_N: Ints) -> Ints:
    """For each record the first one with the same number, [N]."""
    _, first, inverse = np.unique(codes_N, return_index=True, return_inverse=True)
    return first[inverse]


def _in_order(codes_N: Ints) -> Ints:
    """The same groups, numbered by their first member."""
    _, first, inverse = np.unique(codes_N, return_index=True, return_inverse=True)
    number = np.empty(len(first), np.int64)
    number[np.argsort(first)] = np.arange(len(first))
    return number[inverse]


def quantities(records: Sequence[ResidueRecord], group_N: Ints, ions: Sequence[str]) -> Ints:
    """Chains, labelled residues and positives of each ion in each group, [G, Q]."""
    count = int(group_N.max(initial=-1)) + 1
    load_GQ = np.zeros((count, PER_ION * len(ions)), dtype=np.int64)
    for index, ion in enumerate(ions):
        labelled, binding = counts_of(records, ion)
        for q, amount in enumerate((known_mask(records, ion), labelled, binding), start=PER_ION * index):
            # Sums of doubles are exact up to 2^53 residues.
            load_GQ[:, q] = np.bincount(group_N, amount, count)
    return load_GQ
