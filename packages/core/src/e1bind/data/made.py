"""Sequences whose items are made when they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar, overload

Item = TypeVar("Item", covariant=True)


class Made(Sequence[Item]):
    """What is derived says how many items there are (`__len__`), and makes one."""

    def _one(self, place: int) -> Item:
        """The item at a place from 0 to the length, which is not asked for."""
        raise NotImplementedError

    def _part(self, index: slice) -> Sequence[Item]:
        """Some of the items: made at once, unless what is derived knows better."""
        return [self._one(place) for place in range(len(self))[index]]

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Item]: ...
    def __getitem__(self, index: int | slice) -> Item | Sequence[Item]:
        return self._part(index) if isinstance(index, slice) else self._one(range(len(self))[index])
