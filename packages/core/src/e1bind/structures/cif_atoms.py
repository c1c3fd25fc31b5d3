"""Atoms of mmCIF files. gemmi reads the values; where the B factors stand is found in the bytes themselves, so that
a copy keeps every byte that need not change.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from gemmi import cif

from e1bind.errors import DataError
from e1bind.structures.atom_rows import AtomFile, AtomRow, Slot
from e1bind.structures.residue_names import element_of, is_amino_acid

_ATOMS = "_atom_site."
_FACTOR = "b_iso_or_equiv"
_NEEDED = ("cartn_x", "cartn_y", "cartn_z")
_TOKEN = re.compile(
    rb"""(?:\A|(?<=[\r\n]));.*?(?:[\r\n];|\Z)   # a text field
    | \#[^\r\n]*                                # a comment
    | '(?:[^'\r\n]|'(?=\S))*'                   # a quote ends a value only before white space
    | "(?:[^"\r\n]|"(?=\S))*"
    | \S+""",
    re.VERBOSE | re.DOTALL,
)
_NUMBER = re.compile(r"([+-]?[0-9]+)([A-Za-z]?)")

Columns = Mapping[str, Sequence[str | None]]


def read_cif(content: bytes) -> AtomFile:
    """The atoms of an mmCIF file. Raises `DataError` and what gemmi raises."""
    rows: list[AtomRow] = []
    slots: list[Slot] = []
    parents: dict[str, str] = {}
    header: Slot | None = None
    loops = list(_loops(content))
    blocks = [block for block in cif.read_string(content) if block.find_loop(_ATOMS + "Cartn_x")]
    if len(loops) != len(blocks):
        raise DataError("its loop of atoms (_atom_site) cannot be found again in the text")
    if len(loops) > 1 and any(_FACTOR not in tags for tags, _, _ in loops):
        raise DataError("one of its loops of atoms has no column _atom_site.B_iso_or_equiv; add one")
    for section, (block, (tags, end_of_tags, spans)) in enumerate(zip(blocks, loops, strict=True)):
        found = {tag.lower(): values for tag, values in block.get_mmcif_category(_ATOMS).items()}
        parents |= _parents(block)
        rows += _rows(found, _polymers(block), section, len(slots))
        width = len(tags)
        if len(spans) != width * len(found["cartn_x"]):
            raise DataError("the values of its loop of atoms (_atom_site) cannot be told apart")
        if _FACTOR in tags:
            slots += [Slot(*span) for span in spans[tags.index(_FACTOR) :: width]]
        else:
            header = Slot(end_of_tags, end_of_tags, b"\n_atom_site.B_iso_or_equiv")
            slots += [Slot(stop, stop, b" ") for _, stop in spans[width - 1 :: width]]
    return AtomFile(content, rows, slots, "{:.4f}", parents, header)


def _loops(content: bytes) -> Iterator[tuple[list[str], int, list[tuple[int, int]]]]:
    """Of each loop of atoms the names of its columns, in lower case, the place where they end, and the values."""
    tags: list[str] = []
    values: list[tuple[int, int]] = []
    in_loop, end = False, 0
    for token in _TOKEN.finditer(content):
        first = content[token.start()]
        if first == 35:  # "#"
            continue
        if first == 95 and in_loop and not values:  # "_"
            tags.append(token[0].decode("latin-1").lower())
            end = token.end()
        elif first == 95 or (first in b"dDlLgGsS" and _is_reserved(token[0])):
            if in_loop and values and tags and tags[0].startswith(_ATOMS):
                yield [tag.removeprefix(_ATOMS) for tag in tags], end, values
            in_loop, tags, values = token[0].lower() == b"loop_", [], []
        elif in_loop:
            values.append(token.span())
    if in_loop and values and tags and tags[0].startswith(_ATOMS):
        yield [tag.removeprefix(_ATOMS) for tag in tags], end, values


def _is_reserved(token: bytes) -> bool:
    word = token.lower()
    return word in (b"loop_", b"global_", b"stop_") or word.startswith((b"data_", b"save_"))


def _polymers(block: cif.Block) -> dict[str, bool]:
    """By entity, whether it is a polymer."""
    return {
        row.str(0): row.str(1).lower() == "polymer" for row in block.find("_entity.", ["id", "type"]) if row.str(1)
    }


def _parents(block: cif.Block) -> dict[str, str]:
    """Parents of modified residues that the file declares."""
    found = block.find("_pdbx_struct_mod_residue.", ["label_comp_id", "parent_comp_id"])
    declared = block.find("_chem_comp.", ["id", "mon_nstd_parent_comp_id"])
    return {row.str(0): row.str(1) for table in (declared, found) for row in table if row.str(1)}


def _rows(found: Columns, polymers: Mapping[str, bool], section: int, first: int) -> Iterator[AtomRow]:
    count = len(found["cartn_x"])
    nothing: Sequence[str | None] = [None] * count

    def column(*names: str) -> list[str]:
        """The first of the columns that the file has and that says something, row by row."""
        options = [found[name] for name in names if name in found] or [nothing]
        return [next((value for value in values if value), "") for values in zip(*options, strict=True)]

    points = zip(*(map(float, column(axis)) for axis in _NEEDED), strict=True)
    numbers = [
        _number(*pair)
        for pair in zip(column("auth_seq_id", "label_seq_id"), column("pdbx_pdb_ins_code"), strict=True)
    ]
    names = [_name(*pair) for pair in zip(column("label_comp_id"), column("auth_comp_id"), strict=True)]
    rows = zip(
        column("pdbx_pdb_model_num"),
        column("auth_asym_id", "label_asym_id"),
        column("label_asym_id"),
        numbers,
        column("label_seq_id"),
        names,
        column("label_atom_id", "auth_atom_id"),
        column("label_alt_id"),
        column("group_pdb"),
        column("label_entity_id"),
        points,
        column("type_symbol"),
        column("occupancy"),
        strict=True,
    )
    for place, (
        model, chain, asym, (number, code), label, name, atom, alt, group, entity, point, symbol, share
    ) in enumerate(rows, start=first):  # fmt: skip
        yield AtomRow(
            place, (section, model), chain, asym, "", number, code, label, name, atom, alt,
            group.upper().startswith("HETATM"), polymers.get(entity), point,
            symbol.upper() or element_of(atom, name), float(share or 1),
        )  # fmt: skip


def _number(text: str, code: str) -> tuple[int | None, str]:
    found = _NUMBER.fullmatch(text)
    return (int(found[1]), code or found[2]) if found else (None, code)


def _name(label: str, author: str) -> str:
    """The entity's name of a residue, or the author's where that one alone names an amino acid."""
    return author if author and (not label or (not is_amino_acid(label) and is_amino_acid(author))) else label
