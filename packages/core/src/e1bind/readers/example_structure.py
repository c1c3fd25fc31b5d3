"""A tiny PDB file of one chain that binds a zinc ion, for `StructuresOptions.example`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

ION = (7.6, 5.0, 0.0)
"""Where the ion stands; the backbone is 5 A away."""
DONORS: Mapping[str, str] = {"HIS": "NE2", "CYS": "SG", "ASP": "OD1", "GLU": "OE1"}


def example_pdb(residues: Sequence[str], binding: Sequence[int]) -> str:
    """A chain A of these residues, of which those at `binding` (from 0; 2 A) bind the ion."""
    lines: list[str] = []
    for place, name in enumerate(residues):
        x = 3.8 * place
        atoms = {"N": (x, 0.0, 0.0), "CA": (x + 1.2, 0.6, 0.0), "C": (x + 2.4, 0.0, 0.0), "O": (x + 2.4, -1.2, 0.0)}
        if name in DONORS:
            side = (-1) ** binding.index(place) if place in binding else 0
            atoms[DONORS[name]] = (ION[0] + 2.0 * side, ION[1], 0.0) if side else (x + 1.2, -4.0, 0.0)
        lines += [
            _atom("ATOM", len(lines) + n, atom, name, place + 1, at)
            for n, (atom, at) in enumerate(atoms.items(), 1)
        ]
    lines.append(_atom("HETATM", len(lines) + 1, "ZN", "ZN", 101, ION))
    return "".join([*lines, "END\n"])


def _atom(kind: str, serial: int, atom: str, residue: str, number: int, at: tuple[float, float, float]) -> str:
    element = atom if atom == residue else atom[0]
    name = f"{atom:<4}" if len(element) == 2 else f" {atom:<3}"
    x, y, z = at
    head = f"{kind:<6}{serial:5} {name} {residue:>3} A{number:4}    "
    return f"{head}{x:8.3f}{y:8.3f}{z:8.3f}{1:6.2f}{20:6.2f}          {element:>2}\n"
