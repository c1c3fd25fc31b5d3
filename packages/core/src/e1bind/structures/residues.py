"""From atoms to the residues of chains, by where atoms stand, not by numbers alone.

Atoms of one number and name are one residue as long as they can be: a backbone atom that is there already, more
than 2 A away, begins another one, for numbers repeat. Residues of one number and several names are alternatives at
one position where they overlap, and neighbours where they do not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import dist

from e1bind.structures.atom_rows import AtomRow, Point

BACKBONE = frozenset({"N", "CA", "C"})
SAME_PLACE = 2.0
"""Angstrom up to which two atoms are alternatives of one; alternative conformers differ by less, as a rule."""
BROKEN = 2.5
"""Angstrom from C to the next N above which the chain is broken; a peptide bond has 1.33."""
BROKEN_CA = 4.5
"""The same from CA to CA, where a model holds those alone; neighbours have 3.8, or 2.9."""


@dataclass(eq=False)
class Residue:
    """A residue: its first row, which names it, its atoms by name and alternative, and the places of its rows."""

    first: AtomRow
    atoms: dict[tuple[str, str], Point] = field(default_factory=dict)
    places: list[int] = field(default_factory=list)

    def take(self, row: AtomRow) -> None:
        """Add an atom."""
        self.atoms.setdefault((row.atom, row.alternative), row.point)
        self.places.append(row.place)

    def repeats(self, row: AtomRow) -> bool:
        """Whether the atom is there already, elsewhere. Side chains may have alternatives that are not marked."""
        known = self.atoms.get((row.atom, row.alternative)) if row.atom in BACKBONE else None
        return known is not None and dist(known, row.point) > SAME_PLACE

    def overlaps(self, row: AtomRow) -> bool:
        """Whether the row of another residue name can be an alternative at this position."""
        same = [point for (atom, _), point in self.atoms.items() if atom == row.atom]
        if same:
            return any(dist(point, row.point) <= SAME_PLACE for point in same)
        return bool(row.alternative) and any(alternative for _, alternative in self.atoms)

    def point(self, atom: str) -> Point | None:
        """Where an atom stands, in its first alternative."""
        return next((point for (name, _), point in self.atoms.items() if name == atom), None)

    @property
    def atom_names(self) -> set[str]:
        """Names of the atoms."""
        return {name for name, _ in self.atoms}


Position = list[Residue]
"""One position of a chain: a residue, or several that are alternatives."""


def positions_of(rows: Iterable[AtomRow]) -> list[Position]:
    """The positions of one chain of one model, in the order of their first rows."""
    found: list[Position] = []
    latest: dict[tuple[str, int | None, str, str], Position] = {}
    for row in rows:
        key = row.segment, row.number, row.code, row.label
        position = latest.get(key)
        residue = None if position is None else _residue_for(row, position)
        if residue is None:
            residue = Residue(row)
            position = [residue]
            latest[key] = position
            found.append(position)
        residue.take(row)
    return found


def _residue_for(row: AtomRow, position: Position) -> Residue | None:
    """The residue of the position that the row belongs to, a new alternative perhaps; None for another position."""
    own = next((residue for residue in position if residue.first.name == row.name), None)
    if own is not None:
        return None if own.repeats(row) else own
    if not any(residue.overlaps(row) for residue in position):
        return None
    position.append(Residue(row))
    return position[-1]


def broken(left: Position, right: Position) -> bool:
    """Whether the chain is broken between two positions: by distance, or by numbers where no atom tells."""
    for end, begin, limit in (("C", "N", BROKEN), ("CA", "CA", BROKEN_CA)):
        ends = [point for residue in left if (point := residue.point(end)) is not None]
        begins = [point for residue in right if (point := residue.point(begin)) is not None]
        if ends and begins:
            return min(dist(a, b) for a in ends for b in begins) > limit
    before, after = left[0].first.number, right[0].first.number
    return before is None or after is None or after != before + 1


def breaks(positions: Sequence[Position]) -> list[bool]:
    """Whether the chain is broken before each position; it is before the first."""
    return [True] + [broken(a, b) for a, b in pairwise(positions)] if positions else []


def pieces(positions: Sequence[Position]) -> Iterator[list[Position]]:
    """The chains in positions of one name: segments tell them apart, and numbers that come again after a break."""
    for unit in _segments(positions):
        yield from _without_repeats(unit)


def _segments(positions: Sequence[Position]) -> list[list[Position]]:
    """Positions by segment id. What is bonded stays together, and so does what no segment id parts."""
    units: list[list[Position]] = []
    of_segment: dict[str, list[Position]] = {}
    current: list[Position] = []
    for position in positions:
        segment = position[0].first.segment
        if not current or not _one_segment(current[-1], position):
            if segment not in of_segment:
                units.append([])
                of_segment[segment] = units[-1]
            current = of_segment[segment]
        of_segment.setdefault(segment, current)
        current.append(position)
    return units


def _one_segment(left: Position, right: Position) -> bool:
    before, after = left[0].first, right[0].first
    if before.segment == after.segment or not broken(left, right):
        return True
    rising = before.number is not None and after.number is not None and before.number < after.number
    return rising and not (before.segment and after.segment)


def _without_repeats(unit: Sequence[Position]) -> Iterator[list[Position]]:
    """Cut at a break where a number comes again; where all is bonded, numbers say nothing."""
    start = 0
    seen: set[tuple[int | None, str]] = set()
    gaps = breaks(unit)
    for i, position in enumerate(unit):
        key = position[0].first.number, position[0].first.code
        if key in seen and (cut := _cut(unit, gaps, start, i)) is not None:
            yield list(unit[start:cut])
            start = cut
            seen = {(p[0].first.number, p[0].first.code) for p in unit[cut:i]}
        seen.add(key)
    if len(unit) > start:
        yield list(unit[start:])


def _cut(unit: Sequence[Position], gaps: Sequence[bool], start: int, repeat: int) -> int | None:
    """The last break after `start` up to a repeated number, rather one where numbers fall."""
    places = [i for i in range(start + 1, repeat + 1) if gaps[i]]
    falling = [i for i in places if _number(unit[i]) <= _number(unit[i - 1])]
    return max(falling or places, default=None)


def _number(position: Position) -> int:
    number = position[0].first.number
    return 0 if number is None else number
