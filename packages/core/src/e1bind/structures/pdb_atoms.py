"""Atoms of PDB files, read by gemmi line by line.

What people have: TER that parts two chains of one letter, segment ids, four-letter names of residues in columns 18
to 21, where others write chains of two letters, and several frames that END parts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

import gemmi

from e1bind.structures.atom_rows import AtomFile, AtomRow, Slot
from e1bind.structures.residue_names import FOUR_LETTERS, element_of, is_amino_acid

_FACTOR = slice(60, 66)


def read_pdb(content: bytes) -> AtomFile:
    """The atoms of a PDB file. Raises what gemmi raises, and `UnicodeDecodeError` for names that are no text."""
    lines = content.splitlines(keepends=True)
    atoms = [i for i, line in enumerate(lines) if _is_atom(line)]
    slots = list(_slots(lines))
    names = _four_letter_names([lines[i] for i in atoms])
    parts, numbered = _parts(lines), dict(zip(atoms, range(len(atoms)), strict=True))
    rows: list[AtomRow] = []
    parents: dict[str, str] = {}
    for section, (start, stop) in enumerate(_sections(lines)):
        # Empty lines stand for what went before, so that gemmi's messages name the right line.
        text = b"\n" * start + b"".join(_for_gemmi(lines[i], numbered.get(i), names) for i in range(start, stop))
        structure = gemmi.read_pdb_string(text, ignore_ter=True)
        parents |= {m.res_id.name: m.parent_comp_id for m in structure.mod_residues if m.parent_comp_id}
        for index, model in enumerate(structure):
            rows += _rows(model, (section, str(index)), lines, atoms, parts, names)
    rows.sort(key=lambda row: row.place)  # gemmi joins residues of one number, wherever they stand
    return AtomFile(content, rows, slots, "{:6.2f}", parents)


def _is_atom(line: bytes) -> bool:
    return line[:4].upper() in (b"ATOM", b"HETA")  # as gemmi tells them


def _slots(lines: Sequence[bytes]) -> Iterator[Slot]:
    offset = 0
    for line in lines:
        if _is_atom(line):
            length = len(line.rstrip(b"\r\n"))
            missing = b" " * (_FACTOR.start - length)
            yield Slot(offset + min(length, _FACTOR.start), offset + min(length, _FACTOR.stop), missing)
        offset += len(line)


def _sections(lines: Sequence[bytes]) -> list[tuple[int, int]]:
    """Lines [start, stop) of each frame; trajectories are parted by END, after which gemmi reads no further."""
    ends = [i + 1 for i, line in enumerate(lines) if line[:6].rstrip().upper() == b"END"]
    cuts = [0, *ends, len(lines)]
    spans = [(a, b) for a, b in pairwise(cuts) if any(map(_is_atom, lines[a:b]))]
    return spans or [(0, len(lines))]


def _parts(lines: Sequence[bytes]) -> list[int]:
    """For every atom the number of TER records that ended a chain of its name before, in its model."""
    parts: list[int] = []
    ended: Counter[bytes] = Counter()
    chain = b""
    for line in lines:
        if _is_atom(line):
            chain = line[20:22]
            parts.append(ended[chain])
        elif line[:3].upper() == b"TER":
            ended[chain] += 1
        elif line[:6].rstrip().upper() in (b"MODEL", b"ENDMDL", b"END"):
            ended.clear()
    return parts


def _four_letter_names(atoms: Sequence[bytes]) -> set[bytes]:
    """The columns 18 to 22 that hold a name of four letters and a chain of one.

    HISE of chain A and HIS of chain EA are written alike. Where other residues stand in chain EA, it is that one.
    """
    fields = {line[17:22] for line in atoms if line[20:21].strip()}
    named = {field for field in fields if field[:4].decode("latin-1").upper() in FOUR_LETTERS}
    two_letters = {field[3:] for field in fields - named if is_amino_acid(field[:3].decode("latin-1").strip())}
    return {field for field in named if field[3:] not in two_letters}


def _for_gemmi(line: bytes, place: int | None, names: set[bytes]) -> bytes:
    """The line with its place as the atom's serial number, and without a fourth letter of the residue's name.

    Element and charge are left out where they are none: old files have line numbers in their columns.
    """
    if place is None:
        return b"\n" if line[:6].rstrip().upper() == b"END" else line
    name = line[17:20] + b" " if line[17:22] in names else line[17:21]
    end = 78 if line[76:78].strip().isalpha() else 76
    return line[:6] + _hybrid36(place) + line[11:17] + name + line[21:end].rstrip(b"\r\n") + b"\n"


def _hybrid36(number: int) -> bytes:
    """Five characters, as gemmi reads them: decimal up to 99999, then base 36 from A0000 on."""
    if number < 100_000:
        return b"%5d" % number
    number += 10 * 36**4 - 100_000
    digits = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return bytes(digits[number // 36**power % 36] for power in (4, 3, 2, 1, 0))


def _rows(
    model: gemmi.Model,
    key: tuple[int, str],
    lines: Sequence[bytes],
    atoms: Sequence[int],
    parts: Sequence[int],
    names: set[bytes],
) -> Iterator[AtomRow]:
    for chain in model:
        for residue in chain:
            for atom in residue:
                line = lines[atoms[atom.serial]]
                four = line[17:22] in names
                stated = line[76:78].strip().isalpha() and atom.element.atomic_number
                yield AtomRow(
                    place=atom.serial,
                    model=key,
                    chain=chain.name,
                    part=str(parts[atom.serial]),
                    segment=residue.segment.strip(),
                    # What gemmi cannot read it reads as 0: the asterisks of a number too large for its columns.
                    number=residue.seqid.num if re.search(rb"[0-9A-Za-z]", line[22:26]) else None,
                    code=residue.seqid.icode.strip(),
                    label="",
                    name=FOUR_LETTERS[line[17:21].decode("ascii").upper()] if four else residue.name,
                    atom=atom.name,
                    alternative="" if atom.altloc == "\0" else atom.altloc,
                    het=residue.het_flag == "H",
                    in_polymer=None,
                    point=(atom.pos.x, atom.pos.y, atom.pos.z),
                    element=atom.element.name.upper() if stated else element_of(atom.name, residue.name),
                    occupancy=atom.occ if line[54:60].strip() else 1.0,
                )
