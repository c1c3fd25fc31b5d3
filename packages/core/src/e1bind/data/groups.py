"""Groups of related chains, which must never be parted: what holds them together, and what each of them holds.

Shape legend: N chains, G groups, Q quantities to balance (for each ion its chains, labelled residues and
positives).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from e1bind.contracts import ResidueRecord
from e1bind.errors import DataError

PER_ION = 3
"""Quantities balanced for each ion: chains, labelled residues, positives; the last one must be in every part."""


def components(count: int, pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """The numbers below `count` by what joins them, directly or through others; ordered by their first member."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ends = np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(ends), dtype=np.int8), (ends[:, 0], ends[:, 1])), shape=(count, count))
    _, part_N = connected_components(graph, directed=False)
    members: dict[int, list[int]] = {}
    for number, part in enumerate(part_N.tolist()):
        members.setdefault(part, []).append(number)
    return list(members.values())


def join_groups(records: Sequence[ResidueRecord], groups: Mapping[str, str] | None) -> list[list[int]]:
    """Indices of the records of each group, joined over clusters and over identical sequences.

    `groups` names the cluster of each id. Raises `DataError` where ids have none.
    """
    if groups is not None and (missing := [record.id for record in records if record.id not in groups]):
        raise DataError(f"{len(missing)} chains have no homology group ({', '.join(missing[:10])})")
    first: dict[tuple[str, str], int] = {}
    pairs = set()
    for i, record in enumerate(records):
        pairs.add((first.setdefault(("sequence", record.sequence), i), i))
        if groups is not None:
            pairs.add((first.setdefault(("cluster", groups[record.id]), i), i))
    return components(len(records), pairs)


def quantities(
    records: Sequence[ResidueRecord], members: Sequence[Sequence[int]], ions: Sequence[str]
) -> NDArray[np.int64]:
    """Chains, labelled residues and positives of each ion in each group, [G, Q]."""
    load_GQ = np.zeros((len(members), PER_ION * len(ions)), dtype=np.int64)
    column = {ion: PER_ION * index for index, ion in enumerate(ions)}
    for load_Q, group in zip(load_GQ, members, strict=True):
        for i in group:
            for ion, labels in records[i].labels.items():
                if (q := column.get(ion)) is not None:
                    load_Q[q] += 1
                    load_Q[q + 1] += np.count_nonzero(labels >= 0)
                    load_Q[q + 2] += np.count_nonzero(labels == 1)
    return load_GQ
