"""Small structures of CA atoms alone, written column by column: one chain on a line, the next 60 A beside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

S = "MKHACDEFGHIKLMNPQRSTVWYCHACDEHKLWERTYPASDFGHKLCVNMQ"
_NAMES = "ALA ARG ASN ASP CYS GLN GLU GLY HIS ILE LEU LYS MET PHE PRO SER THR TRP TYR VAL"
THREE = dict(zip("ARNDCQEGHILKMFPSTWYV", _NAMES.split(), strict=True))
ONE = {name: letter for letter, name in THREE.items()}


class Strand(NamedTuple):
    """A chain to write: `ter` puts TER behind it, `names` replaces residue names by position."""

    sequence: str
    chain: str = "A"
    segment: str = ""
    first: int = 1
    ter: bool = True
    column: int = 0
    names: dict[int, str] = {}  # noqa: RUF012 - never changed


def pdb(strands: Sequence[Strand], tail: Sequence[str] = ()) -> str:
    """A PDB file; `tail` are lines behind the last strand."""
    lines = []
    for strand in strands:
        for i, letter in enumerate(strand.sequence):
            name = strand.names.get(i, THREE[letter])
            lines.append(atom(name, strand.chain, strand.first + i, 3.8 * i, 60.0 * strand.column, strand.segment))
        lines += ["TER"] * strand.ter
    return "\n".join([*lines, *tail, "END", ""])


def atom(
    name: str,
    chain: str,
    number: int,
    x: float,
    y: float,
    segment: str = "",
    what: str = "ATOM",
    of: str = " CA ",
    z: float = 0.0,
) -> str:
    """A line of an atom; names of four letters take the column before the chain."""
    place = f"{name:<4}{chain:1}" if len(name) == 4 else f"{name:>3}{chain:>2}"
    return (
        f"{what:<6}{1:>5} {of:4} {place}{number:>4}    {x:8.3f}{y:8.3f}{z:8.3f}{1:6.2f}{9:6.2f}      {segment:<4} C"
    )


def cif(rows: Sequence[Sequence[str]], columns: Sequence[str], head: str = "data_x\n") -> str:
    """An mmCIF file with a loop of atoms."""
    return "\n".join(
        [head + "loop_", *(f"_atom_site.{c}" for c in columns), *(" ".join(row) for row in rows), "#", ""]
    )


def painted(text: str) -> list[tuple[str, str, str, str, float]]:
    """(chain, segment, number, letter, B factor) of the CA atoms of a PDB file, by columns alone."""
    found = []
    for line in text.splitlines():
        if line.startswith(("ATOM", "HETATM")):
            letter = ONE.get(line[17:20], line[17:21].strip())
            found.append(
                (line[20:22].strip(), line[72:76].strip(), line[22:27].strip(), letter, float(line[60:66]))
            )
    return found
