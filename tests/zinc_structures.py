"""Structures made from labels: a chain stretched out, and one zinc ion beside each residue that is to bind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import gemmi

from e1bind.contracts import STANDARD_RESIDUES, ResidueRecord
from e1bind.readers.example_structure import atom_line

THREE = {c: gemmi.expand_one_letter(c, gemmi.ResidueKind.AA) for c in STANDARD_RESIDUES} | {"X": "UNK"}
DONORS = {"HIS": "NE2", "CYS": "SG", "ASP": "OD1", "GLU": "OE1", "ASN": "OD1", "GLN": "OE1", "SER": "OG"}
STEP, REACH, DISTANCE = 3.8, 3.0, 2.1
"""A between residues, from the backbone to the atom that binds, and from there to the ion."""


def write_structures(records: Sequence[ResidueRecord], ion: str, folder: Path) -> None:
    """A PDB file for each chain; the id `1abc_D` makes it chain D of `1abc.pdb`."""
    folder.mkdir()
    for record in records:
        stem, _, chain = record.id.rpartition("_")
        with (folder / f"{stem}.pdb").open("x") as file:  # a second chain of an entry would need a place of its own
            file.writelines(_lines(record.sequence, record.labels[ion].tolist(), ion, chain))


def _lines(sequence: str, labels: Sequence[int], ion: str, chain: str) -> Iterator[str]:
    ions = []
    for place, (letter, label) in enumerate(zip(sequence, labels, strict=True)):
        name, x = THREE[letter], STEP * place
        atoms = {"N": (x, 0.0), "CA": (x + 1.2, 0.6), "C": (x + 2.4, 0.0), "O": (x + 2.4, -1.2)}
        if label == 1:
            atoms[DONORS.get(name, "O")] = (x + 1.2, REACH)
            ions.append((x + 1.2, REACH + DISTANCE))
        for atom, at in atoms.items():
            yield atom_line("ATOM", atom, name, chain, place + 1, (*at, 0.0))
    yield "TER\n"
    for number, at in enumerate(ions):
        yield atom_line("HETATM", ion, ion, chain, 2001 + number, (*at, 0.0))
    yield "END\n"
