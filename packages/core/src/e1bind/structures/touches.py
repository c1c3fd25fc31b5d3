"""Which residues of a file's chains touch what else is in it: ions, cofactors, any molecule that is no chain.

Hydrogen never counts, and water touches nothing. Atoms of two different alternative locations are never there at
the same time, and do not touch. gemmi searches the neighbours, copies by the crystal's symmetry too if wanted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import dist, isfinite
from typing import Literal, NamedTuple

import gemmi

from e1bind.structures.atom_rows import AtomRow
from e1bind.structures.residue_names import is_nucleotide
from e1bind.structures.structure import Structure

DONORS = frozenset({"N", "O", "S", "SE"})
"""Elements of the atoms of a residue, backbone and side chain, that can give a metal an electron pair."""
HYDROGEN = frozenset({"H", "D"})
WATER = frozenset({"SOL", "TIP", "TIP3", "TIP4", "TP3", "SPC"})
"""Names of water in simulations, beside those that gemmi knows."""
MOST_CELLS = 100
"""Cells of the search's grid along an axis: what lies far apart must not fill the memory with empty cells."""


@dataclass(frozen=True)
class Rule:
    """When an atom of a residue and one of a ligand touch; `cutoff` is in angstrom.

    "donor" and "heavy": up to `cutoff` apart, donors alone or all atoms. "biolip": nearer than `cutoff` plus both
    van der Waals radii (gemmi's), all atoms.
    """

    name: Literal["donor", "heavy", "biolip"]
    cutoff: float

    def counts(self, element: str) -> bool:
        """Whether a residue's atom of this element can touch."""
        return element in DONORS if self.name == "donor" else element not in HYDROGEN

    def holds(self, distance: float, first: str, second: str) -> bool:
        """Whether atoms of these elements touch at a distance (angstrom)."""
        return distance < self._radii(first, second) if self.name == "biolip" else distance <= self.cutoff

    def reach(self, element: str) -> float:
        """Angstrom beyond which nothing touches an atom of a ligand."""
        return self._radii(element, "C", "N", "O", "S", "SE", "P", "X") if self.name == "biolip" else self.cutoff

    def _radii(self, first: str, *others: str) -> float:
        return self.cutoff + _radius(first) + max(map(_radius, others))


class Touch(NamedTuple):
    """A residue (chain and place, both from 0) and an atom of a ligand, by its code and its element.

    `sure` is false where an atom of either has no occupancy, and where the residue is one of another name than the
    one that stands in the sequence.
    """

    chain: int
    residue: int
    code: str
    element: str
    sure: bool


def touches(structure: Structure, rule: Rule, crystal: gemmi.Structure | None = None) -> set[Touch]:
    """All touches within each model; `crystal` gives cell and symmetry where copies count. Raises `ValueError`."""
    rows = {row.place: row for row in structure.file.rows}
    if strange := next((row for row in rows.values() if not all(map(isfinite, row.point))), None):
        raise ValueError(f"an atom {strange.atom} of {strange.name} {strange.number} has no coordinates")
    return {
        touch
        for model in dict.fromkeys(row.model for row in structure.file.rows)
        for touch in _of_model(structure, rows, model, rule, crystal)
    }


def unobserved(structure: Structure) -> list[list[int]]:
    """For each chain the residues (from 0) of which no atom has an occupancy, where the file's atoms have any."""
    rows = {row.place: row for row in structure.file.rows}
    if not _has_occupancies(rows):
        return [[] for _ in structure.chains]
    return [
        [i for i, places in enumerate(chain.places) if not any(rows[place].occupancy > 0 for place in places)]
        for chain in structure.chains
    ]


def _of_model(
    structure: Structure,
    rows: Mapping[int, AtomRow],
    model: tuple[int, str],
    rule: Rule,
    crystal: gemmi.Structure | None,
) -> Iterator[Touch]:
    owned = {place for chain in structure.chains for places in chain.places for place in places}
    ligands = [row for row in rows.values() if row.model == model and row.place not in owned and _is_ligand(row)]
    chains = [
        [
            [row for place in places if (row := rows[place]).model == model and rule.counts(row.element)]
            for places in c
        ]
        for c in (chain.places for chain in structure.chains)
    ]
    if not ligands or not any(atoms for chain in chains for atoms in chain):
        return
    told = _has_occupancies(rows)
    search = _search(chains, max(rule.reach(e) for e in {row.element for row in ligands}), crystal)
    for ligand in ligands:
        position = gemmi.Position(*ligand.point)
        for mark in search.find_atoms(position, "\0", radius=rule.reach(ligand.element) + 0.01):
            row = chains[mark.chain_idx][mark.residue_idx][mark.atom_idx]
            apart = dist(row.point, ligand.point) if crystal is None else search.dist(position, mark.pos)
            if rule.holds(apart, ligand.element, row.element) and _together(row, ligand):
                own = structure.chains[mark.chain_idx].keys[mark.residue_idx][0][2]
                sure = row.name == own and (not told or (row.occupancy > 0 and ligand.occupancy > 0))
                yield Touch(mark.chain_idx, mark.residue_idx, ligand.name, ligand.element, sure)


def _search(
    chains: Sequence[Sequence[Sequence[AtomRow]]], radius: float, crystal: gemmi.Structure | None
) -> gemmi.NeighborSearch:
    """The atoms of residues, each marked with the places of its chain, its residue and itself."""
    model = gemmi.Model(1)
    for number, residues in enumerate(chains):
        chain = gemmi.Chain(str(number))
        for atoms in residues:
            residue = gemmi.Residue()
            for row in atoms:
                atom = gemmi.Atom()
                atom.element, atom.pos = gemmi.Element(row.element), gemmi.Position(*row.point)
                residue.add_atom(atom)
            chain.add_residue(residue)
        model.add_chain(chain)
    if crystal is None:
        points = [row.point for residues in chains for atoms in residues for row in atoms]
        widest = max(max(axis) - min(axis) for axis in zip(*points, strict=True))
        return gemmi.NeighborSearch(model, gemmi.UnitCell(), max(radius, widest / MOST_CELLS)).populate()
    copy = gemmi.Structure()
    copy.cell, copy.spacegroup_hm, copy.ncs = crystal.cell, crystal.spacegroup_hm, crystal.ncs
    copy.setup_cell_images()
    copy.add_model(model)
    widest = max(copy.cell.a, copy.cell.b, copy.cell.c)
    return gemmi.NeighborSearch(copy, max(radius, widest / MOST_CELLS)).populate()


def _is_ligand(row: AtomRow) -> bool:
    """Whether the atom is one of an ion or a ligand: not of water, of a nucleic acid or of any other polymer."""
    if row.in_polymer or row.element in HYDROGEN or row.name in WATER:
        return False
    return not gemmi.find_tabulated_residue(row.name).is_water() and (row.het or not is_nucleotide(row.name))


def _has_occupancies(rows: Mapping[int, AtomRow]) -> bool:
    """Whether the column says anything: programs that know no occupancies write 0 for all atoms."""
    return any(row.occupancy > 0 for row in rows.values())


def _together(first: AtomRow, second: AtomRow) -> bool:
    """Whether two atoms can be there at the same time, by their alternative locations."""
    return not first.alternative or not second.alternative or first.alternative == second.alternative


def _radius(element: str) -> float:
    return float(gemmi.Element(element).vdw_r)
