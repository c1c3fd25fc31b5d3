"""Many strings in one buffer: no Python object for each, so that processes share the memory they lie in.

Shape legend: N strings, T bytes of all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]

BLOCK = 1 << 20
"""Bytes that are looked at together where a step needs temporary memory many times their size."""


class PackedStrings:
    """N strings as UTF-8, one after the other: `bytes_T`; where each begins and the last one ends: `cuts` [N + 1].

    Cannot be changed. `strings[i]` is a `str`, `strings.raw(i)` its bytes.
    """

    def __init__(self, bytes_T: Bytes, cuts: Ints) -> None:
        if len(cuts) < 1 or cuts[0] != 0 or cuts[-1] != len(bytes_T) or (np.diff(cuts) < 0).any():
            raise ValueError("the cuts are not those of the bytes")
        self.bytes_T, self.cuts = frozen(bytes_T), frozen(cuts)

    @classmethod
    def of(cls, texts: Sequence[str]) -> PackedStrings:
        """Pack strings. Raises `UnicodeEncodeError` for a lone surrogate."""
        growing = GrowingStrings()
        for text in texts:
            growing.add(text.encode())
        return growing.packed()

    @classmethod
    def joined(cls, parts: Sequence[PackedStrings]) -> PackedStrings:
        """The strings of all parts, one part after the other."""
        ends = starts_of(np.array([len(part.bytes_T) for part in parts], np.int64))
        cuts = [part.cuts[1:] + end for part, end in zip(parts, ends[:-1], strict=True)]
        return cls(
            np.concatenate([np.zeros(0, np.uint8), *(part.bytes_T for part in parts)]),
            np.concatenate([np.zeros(1, np.int64), *cuts]),
        )

    @classmethod
    def cut(cls, bytes_T: Bytes, starts: Ints, lengths: Ints) -> PackedStrings:
        """Copies of stretches of a buffer, from where each begins and with its length."""
        cuts = starts_of(lengths)
        out = np.empty(int(cuts[-1]), np.uint8)
        for start, stop in blocks(cuts):
            out[cuts[start] : cuts[stop]] = bytes_T[spread(starts[start:stop], lengths[start:stop])]
        return cls(out, cuts)

    def __len__(self) -> int:
        return len(self.cuts) - 1

    def __getitem__(self, index: int) -> str:
        return self.raw(index).decode()

    def __iter__(self) -> Iterator[str]:
        return (raw.decode() for raw in self.raws())

    def raw(self, index: int) -> bytes:
        """The bytes of one string."""
        return self.bytes_T[self.cuts[index] : self.cuts[index + 1]].tobytes()

    def raws(self) -> Iterator[bytes]:
        """The bytes of all strings in order."""
        # A stretch at a time: slicing bytes is several times quicker than slicing an array.
        for start, stop in self.blocks():
            base = int(self.cuts[start])
            text = self.bytes_T[base : self.cuts[stop]].tobytes()
            cuts = (self.cuts[start : stop + 1] - base).tolist()
            for begin, end in pairwise(cuts):
                yield text[begin:end]

    def blocks(self, size: int = BLOCK) -> Iterator[tuple[int, int]]:
        """Strings [start, stop) that together have about `size` bytes, or a single longer one."""
        return blocks(self.cuts, size)

    @property
    def lengths(self) -> Ints:
        """Bytes of each string [N]."""
        return np.diff(self.cuts)

    def take(self, rows: Ints) -> PackedStrings:
        """The strings at `rows`, copied."""
        if len(rows) == len(self) and (rows == np.arange(len(self))).all():
            return self
        return PackedStrings.cut(self.bytes_T, self.cuts[rows], self.lengths[rows])

    def first_equal(self) -> Ints:
        """For each string the index of the first one that is equal to it, [N]."""
        first = _first_equal(np.fromiter(map(hash, self.raws()), np.int64, len(self)))
        again = np.flatnonzero(first != np.arange(len(self)))
        apart = again[self._differ(again, first[again])]
        if len(apart):  # different strings of one hash: rare, and told apart by what they are
            found: dict[bytes, int] = {}
            for i in np.flatnonzero(np.isin(first, first[apart])).tolist():
                first[i] = found.setdefault(self.raw(i), i)
        return first

    def _differ(self, some: Ints, others: Ints) -> NDArray[np.bool_]:
        """Whether each of some strings is not the other one of its pair."""
        lengths = np.diff(self.cuts)[some]
        differ = lengths != np.diff(self.cuts)[others]
        for start, stop in blocks(starts_of(lengths)):
            own = start + np.flatnonzero(~differ[start:stop])
            one, other = (self.bytes_T[spread(self.cuts[rows[own]], lengths[own])] for rows in (some, others))
            differ[np.repeat(own, lengths[own])[one != other]] = True
        return differ


class GrowingStrings:
    """Strings that come one by one or in stretches, with little more memory than they take in the end."""

    def __init__(self) -> None:
        # A large bytearray grows in place (realloc moves pages, not bytes), and its spare room is never touched.
        self._bytes, self._lengths = bytearray(), bytearray()

    def add(self, raw: bytes) -> None:
        """One more string."""
        self._bytes += raw
        self._lengths += np.int64(len(raw)).tobytes()

    def extend(self, bytes_T: Bytes, lengths: Ints) -> None:
        """More strings: their bytes, and how many each of them has."""
        self._bytes += np.ascontiguousarray(bytes_T).data
        self._lengths += np.ascontiguousarray(lengths, dtype=np.int64).data.cast("B")

    def packed(self) -> PackedStrings:
        """All of them; nothing can be added afterwards."""
        return PackedStrings(
            np.frombuffer(self._bytes, np.uint8), starts_of(np.frombuffer(self._lengths, np.int64))
        )


def frozen(array: NDArray[np.generic]) -> NDArray[Any]:
    """A view of `array` that cannot be written to."""
    view = np.asarray(array).view()  # of a mapped file: a plain array, whose parts are made sooner
    view.flags.writeable = False
    return view


def starts_of(lengths: Ints) -> Ints:
    """Where stretches of these lengths begin, one after the other, and the last one ends: [N + 1] of [N]."""
    cuts = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=cuts[1:])
    return cuts


def spread(starts: Ints, lengths: Ints) -> Ints:
    """The places start, start + 1, ... of every stretch, one stretch after the other."""
    shift = starts - (starts_of(lengths)[:-1] if len(lengths) else 0)
    return np.repeat(shift, lengths) + np.arange(int(lengths.sum()))


def blocks(cuts: Ints, size: int = BLOCK) -> Iterator[tuple[int, int]]:
    """Stretches [start, stop) of what `cuts` [N + 1] parts, each of about `size`, or a single larger one."""
    start, count = 0, len(cuts) - 1
    while start < count:
        stop = int(np.searchsorted(cuts, cuts[start] + size, side="right")) - 1
        stop = min(max(stop, start + 1), count)
        yield start, stop
        start = stop


def _first_equal(number_N: Ints) -> Ints:
    """For each number the index of the first one that is equal to it, [N]."""
    order = np.argsort(number_N, kind="stable")
    ordered = number_N[order]
    begins = np.ones(len(order), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=begins[1:])
    del ordered  # half a million numbers are megabytes
    first = np.empty(len(order), np.int64)
    first[order] = order[begins][np.cumsum(begins) - 1]
    return first
