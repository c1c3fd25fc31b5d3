"""The clusters of a table's chains, from a file of half a million lines without a Python object for each.

Shape legend: N ids asked for, M lines of the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from e1bind.contracts import ResidueRecord
from e1bind.data.by_chain import ByChain
from e1bind.data.chain_table import ChainTable
from e1bind.data.clusters import read_clusters
from e1bind.data.columns import ids_of
from e1bind.data.ids import MAX_ID
from e1bind.data.packed_strings import Ints, PackedStrings
from e1bind.data.text import read_bytes

_USUAL = np.zeros(256, np.bool_)
_USUAL[[ord("\t"), ord("\n"), *range(ord("!"), 127)]] = True


def clusters_of(path: Path, records: Sequence[ResidueRecord]) -> Mapping[str, str] | Mapping[str, int]:
    """The cluster of every chain, by id: its name, or for a table a number. Raises as `read_clusters` does."""
    if isinstance(records, ChainTable):
        found = _numbers(path, records.columns.ids.take(records.rows))
        if found is not None:
            return ByChain(records, found)
    # What is no plain file is read line by line, and what is wrong with one is told from there.
    return read_clusters(path, ids_of(records))


def _numbers(path: Path, ids: PackedStrings) -> Ints | None:
    """The cluster of each id, [N]; None where the file is of another form, or does not give each id one cluster."""
    codes = _codes(path, ids)
    if codes is None:
        return None
    own, left, right = np.split(codes, [len(ids), (len(codes) + len(ids)) // 2])
    wanted = np.zeros(len(codes), np.bool_)
    wanted[own] = True
    held = [len(np.unique(column[wanted[column]])) for column in (left, right)]
    turned = [_of_chains(left, right, wanted), _of_chains(right, left, wanted)]
    if held[0] != held[1]:
        chosen = turned[0] if held[0] > held[1] else turned[1]
    elif turned[0] is not None and turned[1] is not None and not _same_parts(turned[0], turned[1], len(codes)):
        return None
    else:
        chosen = turned[1] if turned[0] is None else turned[0]
    if chosen is None:
        return None
    number = np.full(len(codes), -1)
    number[chosen[0]] = chosen[1]
    found = number[own]
    return None if (found < 0).any() else found


def _codes(path: Path, ids: PackedStrings) -> Ints | None:
    """A number for each id, each cell of the first column and each of the second: equal ones have one; [N + 2M]."""
    columns = _columns(read_bytes(path))
    if columns is None:
        return None
    names = PackedStrings.joined([ids, *columns])
    del columns  # the text of the file again
    return names.first_equal()


def _of_chains(chain_M: Ints, cluster_M: Ints, wanted: NDArray[np.bool_]) -> tuple[Ints, Ints] | None:
    """The wanted chains, ascending, and the cluster of each; None where one stands in two."""
    kept = wanted[chain_M]
    chains, clusters = _pairs(chain_M[kept], cluster_M[kept], len(wanted))
    return None if (chains[1:] == chains[:-1]).any() else (chains, clusters)


def _pairs(left: Ints, right: Ints, count: int) -> tuple[Ints, Ints]:
    """The different pairs of two columns of numbers below `count`, ascending."""
    found = np.unique(left * count + right)
    return found // count, found % count


def _same_parts(one: tuple[Ints, Ints], other: tuple[Ints, Ints], count: int) -> bool:
    """Whether two columns cluster the same chains alike."""
    if not np.array_equal(one[0], other[0]):
        return False
    both = len(_pairs(one[1], other[1], count)[0])
    return both == len(np.unique(one[1])) == len(np.unique(other[1]))


def _columns(content: bytes) -> tuple[PackedStrings, PackedStrings] | None:
    """The first two cells of every line; None unless all lines are printable ASCII with a tab between the two."""
    content = content.replace(b"\r\n", b"\n")
    letters = np.frombuffer(content, np.uint8)
    if not len(letters) or not _USUAL[letters].all():
        return None
    stop_M = np.flatnonzero(letters == ord("\n"))
    if not content.endswith(b"\n"):
        stop_M = np.append(stop_M, len(letters))
    start_M = np.append(0, stop_M[:-1] + 1)
    tabs = np.append(np.flatnonzero(letters == ord("\t")), [len(letters)] * 2)
    first = np.searchsorted(tabs, start_M)
    between_M = tabs[first]
    end_M = np.minimum(tabs[first + 1], stop_M)
    lengths = between_M - start_M, end_M - between_M - 1
    if any((of <= 0).any() or (of > MAX_ID).any() for of in lengths) or (letters[start_M] == ord("#")).any():
        return None
    return (
        PackedStrings.cut(letters, start_M, lengths[0]),
        PackedStrings.cut(letters, between_M + 1, lengths[1]),
    )
