"""What a structure file declares beside its atoms: the full sequences of its chains, cell and symmetry.

Full sequences are SEQRES of PDB files and _entity_poly_seq of mmCIF, with the residues that have no coordinates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import isfinite

import gemmi

from e1bind.data.pairwise import aligned_pairs
from e1bind.structures.atom_rows import AtomRow
from e1bind.structures.protein_chains import Chain
from e1bind.structures.residue_names import UNKNOWN_LETTER, letter
from e1bind.structures.structure import Structure

_HEADER = (b"CRYST1", b"ORIGX", b"SCALE", b"MTRIX", b"SEQRES")
OPEN = -10
"""Score of opening a gap where the chain is not broken; a match scores 1."""


def declared(structure: Structure) -> gemmi.Structure:
    """Entities with their sequences, cell and symmetry, without atoms that count. Raises what gemmi raises."""
    content = structure.file.content
    if structure.kind == "pdb":
        lines = [line for line in content.splitlines() if line.upper().startswith(_HEADER)]
        return gemmi.read_pdb_string(b"\n".join([*lines, b"END", b""]))
    blocks = [b for b in gemmi.cif.read_string(content) if b.find_loop("_atom_site.Cartn_x")]
    return gemmi.make_structure_from_block(blocks[0])


def crystal_of(structure: Structure) -> gemmi.Structure | None:
    """Cell and symmetry of a crystal; None where there is none. Raises `ValueError` where they say nothing."""
    found = declared(structure)
    if not found.cell.is_crystal():
        return None
    if not isfinite(found.cell.volume) or found.cell.volume <= 0 or found.find_spacegroup() is None:
        raise ValueError(f"its cell, or its space group {found.spacegroup_hm!r}, is none; symmetry needs both")
    return found


def full_sequences(structure: Structure) -> dict[str, list[list[str]]]:
    """By name of a chain (PDB: the author's, mmCIF: the label) the names of its residues, alternatives together."""
    found = declared(structure)
    names = {entity: [item.split(",") for item in entity.full_sequence] for entity in found.entities}
    if structure.kind == "pdb":
        return {entity.name: residues for entity, residues in names.items() if residues}
    return {part: residues for entity, residues in names.items() if residues for part in entity.subchains}


def places_in(
    full: Sequence[Sequence[str]], chain: Chain, firsts: Sequence[AtomRow], parents: Mapping[str, str]
) -> tuple[str, list[int]]:
    """The full sequence in letters, and the place in it of each residue of the chain, whose first atoms are given.

    mmCIF numbers its residues; those of PDB files are placed by their numbers if these can mean but one place, else
    by an alignment that opens gaps where the chain is broken. Raises `ValueError` where they do not fit.
    """
    text = "".join(letter(names[0], (), parents) for names in full)
    if all(row.label.isdigit() for row in firsts):
        places = [int(row.label) - 1 for row in firsts]
    else:
        places = _by_numbers(text, chain, firsts) or _by_alignment(text, chain)
    wrong = len(places) != len(chain.sequence) or any(b <= a for a, b in pairwise(places))
    for place, row, one in zip(places, firsts, chain.sequence, strict=False):
        wrong |= not 0 <= place < len(text) or (row.name not in full[place] and one != text[place])
    if wrong:
        raise ValueError(f"chain {chain.label} does not fit into the sequence that the file declares for it")
    return text, places


def _by_numbers(text: str, chain: Chain, firsts: Sequence[AtomRow]) -> list[int]:
    """Places by the author's numbers, if exactly one shift of them fits; else none."""
    numbers = [row.number for row in firsts if row.number is not None and not row.code]
    if len(numbers) < len(firsts) or not numbers:
        return []
    fitting = [
        shift
        for shift in range(-min(numbers), len(text) - max(numbers))
        if all(one in (text[n + shift], UNKNOWN_LETTER) for n, one in zip(numbers, chain.sequence, strict=True))
    ]
    return [n + fitting[0] for n in numbers] if len(fitting) == 1 else []


def _by_alignment(text: str, chain: Chain) -> list[int]:
    gaps = [0 if broken else OPEN for broken in chain.broken] + [0]
    return [i for i, _ in aligned_pairs(text, chain.sequence, OPEN, gaps)]
