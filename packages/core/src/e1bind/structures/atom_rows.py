"""The atoms of a structure file, each with the place of its row in the file.

A row is known by its place, never by its name: numbers and names repeat in files of molecular dynamics and of
homomers, and a probability must stand beside the residue it belongs to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

Point = tuple[float, float, float]


class AtomRow(NamedTuple):
    """One atom, as its row says.

    `place` counts the rows of the file from 0. `model` tells models apart. `chain` is the author's name, `part`
    what else tells chains of one name apart (the number of TER records before, the label of mmCIF), `segment` the
    segment id. `number` is None where there is none that can be read; `label` is the place in the entity's
    sequence, if the file has it. `in_polymer` is what the file says of the molecule; None where it says nothing.
    `element` is a symbol in capitals.
    """

    place: int
    model: tuple[int, str]
    chain: str
    part: str
    segment: str
    number: int | None
    code: str
    label: str
    name: str
    atom: str
    alternative: str
    het: bool
    in_polymer: bool | None
    point: Point
    element: str
    occupancy: float


class Slot(NamedTuple):
    """The bytes [start, stop) of a file that a B factor takes the place of, and what to write before it."""

    start: int
    stop: int
    before: bytes = b""


@dataclass(frozen=True, eq=False)
class AtomFile:
    """The unpacked bytes of a structure file, its atoms, and where the B factor of each of its rows is written.

    `slots[place]` belongs to the row; `columns` is a slot for text that all rows need (the name of a column that
    the file lacks), `form` the format of a value. `parents` are the parents of modified residues that the file
    declares.
    """

    content: bytes
    rows: Sequence[AtomRow]
    slots: Sequence[Slot]
    form: str
    parents: Mapping[str, str]
    columns: Slot | None = None

    def with_values(self, values: Mapping[int, float], other: float) -> bytes:
        """The bytes with `values` by place, `other` in all other rows, and every other byte as it is."""
        view = memoryview(self.content)
        pieces: list[bytes | memoryview] = []
        done = 0
        if self.columns is not None:
            pieces += [view[: self.columns.start], self.columns.before]
            done = self.columns.stop
        for place, slot in enumerate(self.slots):
            value = self.form.format(values.get(place, other)).encode("ascii")
            pieces += [view[done : slot.start], slot.before, value]
            done = slot.stop
        return b"".join([*pieces, view[done:]])
