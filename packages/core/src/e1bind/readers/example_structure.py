"""A tiny PDB file of two chains that bind a zinc ion each, for `StructuresOptions.example`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

DONORS: Mapping[str, str] = {"HIS": "NE2", "CYS": "SG"}
Point = tuple[float, float, float]


def _lines(chain: str, residues: Sequence[str], binding: Mapping[int, float], z: float) -> Iterator[str]:
    """A chain and its ion, 5 A from the backbone; residues of `binding` (from 0) stand so far from it, in A."""
    ion = (7.6, 5.0, z)
    for place, name in enumerate(residues):
        x = 3.8 * place
        atoms: dict[str, Point] = {
            "N": (x, 0, z),
            "CA": (x + 1.2, 0.6, z),
            "C": (x + 2.4, 0, z),
            "O": (x + 2.4, -1.2, z),
        }
        if place in binding:
            atoms[DONORS[name]] = (ion[0] + binding[place], ion[1], z)
        for atom, at in atoms.items():
            yield atom_line("ATOM", atom, name, chain, place + 1, at)
    yield "TER\n"
    yield atom_line("HETATM", "ZN", "ZN", chain, 101, ion)


def atom_line(kind: str, atom: str, residue: str, chain: str, number: int, at: Point) -> str:
    """The line of an atom at `at`, in A; one called as its residue is an ion."""
    element = atom if atom == residue else atom[0]
    name = f"{atom:<4}" if len(element) == 2 else f" {atom:<3}"
    x, y, z = at
    head = f"{kind:<6}{1:5} {name} {residue:>3} {chain}{number:4}    "
    return f"{head}{x:8.3f}{y:8.3f}{z:8.3f}{1:6.2f}{20:6.2f}          {element:>2}\n"


EXAMPLE_PDB = "".join(
    [
        *_lines("A", ("MET", "HIS", "CYS", "GLY", "HIS", "LYS"), {1: -2.1, 4: 2.1}, 0.0),
        *_lines("B", ("GLY", "CYS", "HIS", "SER"), {1: -2.3, 2: 2.1}, 30.0),
        "END\n",
    ]
)
