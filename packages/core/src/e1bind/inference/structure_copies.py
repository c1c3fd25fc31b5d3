"""A structure with probabilities in the B-factor column.

The copy is the file itself with other B factors: the probability (0 to 1) at every atom of a residue that was
scored, `NOT_SCORED` at all others, so that nothing that was not scored looks as if it did not bind.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from pathlib import Path

from gemmi import cif

from e1bind.errors import DataError
from e1bind.files.writing import output_text
from e1bind.inference.structure import ResidueKey, Structure

NOT_SCORED = -1.0
_CHAIN, _NUMBER, _CODE = ("auth_asym_id", "label_asym_id"), ("auth_seq_id", "label_seq_id"), "pdbx_PDB_ins_code"
_NAME = ("auth_comp_id", "label_comp_id")


def write_coloured(structure: Structure, target: Path, values: Mapping[ResidueKey, float]) -> None:
    """Write the copy. Raises `DataError` where a residue of `values` is not in the file."""
    text, seen = (_cif if structure.kind == "cif" else _pdb)(structure.path, values)
    if missing := values.keys() - seen:
        chain, number, name = sorted(missing)[0]
        raise DataError(f"{structure.path}: residue {name} {number} of chain {chain} has no atom to colour")
    output_text(target, text)


def _cif(path: Path, values: Mapping[ResidueKey, float]) -> tuple[str, set[ResidueKey]]:
    document = cif.read(str(path))
    block = next((b for b in document if b.find_loop("_atom_site.id")), None)
    if block is None:
        raise DataError(f"{path}: has no loop of atoms")
    loop = block.find_loop("_atom_site.id").get_loop()
    tags = [tag.removeprefix("_atom_site.") for tag in loop.tags]
    if "B_iso_or_equiv" not in tags:
        raise DataError(f"{path}: its atoms have no B factor (_atom_site.B_iso_or_equiv) to put probabilities in")
    factor = tags.index("B_iso_or_equiv")
    chain, number, name = (
        next(tags.index(t) for t in options if t in tags) for options in (_CHAIN, _NUMBER, _NAME)
    )
    code = tags.index(_CODE) if _CODE in tags else None
    seen = set()
    for row in range(loop.length()):
        inserted = "" if code is None else cif.as_string(loop[row, code])
        key = (cif.as_string(loop[row, chain]), loop[row, number] + inserted, cif.as_string(loop[row, name]))
        seen.add(key)
        loop[row, factor] = f"{values.get(key, NOT_SCORED):.4f}"
    return document.as_string(), seen


def _pdb(path: Path, values: Mapping[ResidueKey, float]) -> tuple[str, set[ResidueKey]]:
    opened = gzip.open if path.name.lower().endswith(".gz") else open
    with opened(path, "rt", encoding="latin-1", newline="") as file:
        lines = file.read().splitlines(keepends=True)
    seen = set()
    for i, line in enumerate(lines):
        if line.startswith(("ATOM  ", "HETATM")):
            key = (line[20:22].strip(), line[22:27].strip(), line[17:20].strip())
            seen.add(key)
            body, end = line.rstrip("\r\n"), line[len(line.rstrip("\r\n")) :]
            lines[i] = f"{body[:60]:60}{values.get(key, NOT_SCORED):6.2f}{body[66:]}{end}"
    return "".join(lines), seen
