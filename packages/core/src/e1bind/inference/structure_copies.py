"""A structure with probabilities in the B-factor column, and scripts that colour it in ChimeraX and PyMOL.

The copy is the file itself with other B factors: the probability (0 to 1) at every atom of a residue that was
scored, `NOT_SCORED` at all others, so that nothing that was not scored looks as if it did not bind.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from pathlib import Path

from gemmi import cif

from e1bind.errors import DataError
from e1bind.files.writing import output_text
from e1bind.inference.structure import ResidueKey, Structure

NOT_SCORED = -1.0
_CHAIN, _NUMBER, _CODE = ("auth_asym_id", "label_asym_id"), ("auth_seq_id", "label_seq_id"), "pdbx_PDB_ins_code"
_NAME = ("auth_comp_id", "label_comp_id")
LOW, MIDDLE, HIGH, GREY = "#F0F0F0", "#56B4E9", "#D55E00", "#9A9A9A"
"""Colours of probability 0, 0.5 and 1, and of what was not scored; told apart with any colour vision."""


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


def write_scripts(coloured: Path, calls: Sequence[ResidueKey], title: str) -> list[Path]:
    """Scripts beside the copy, `.cxc` for ChimeraX and `.pml` for PyMOL; side chains of `calls` are shown."""
    chimerax, pymol = coloured.with_suffix(".cxc"), coloured.with_suffix(".pml")
    output_text(chimerax, _chimerax(coloured.name, calls, title))
    output_text(pymol, _pymol(coloured, calls, title))
    return [chimerax, pymol]


def _chimerax(name: str, calls: Sequence[ResidueKey], title: str) -> str:
    lines = [
        f"# {title}",
        f'open "{name}"',
        "hide atoms",
        "show cartoons",
        f"color byattribute bfactor palette 0,{LOW}:0.5,{MIDDLE}:1,{HIGH}",
        f"color @@bfactor<0 {GREY}",
    ]
    if sites := "".join(f"/{chain}:{','.join(numbers)}" for chain, numbers in _by_chain(calls).items()):
        lines += [f"show {sites} atoms", f"style {sites} stick"]
    return "\n".join([*lines, f"key {LOW}:0 {MIDDLE}:0.5 {HIGH}:1", ""])


def _pymol(coloured: Path, calls: Sequence[ResidueKey], title: str) -> str:
    # PyMOL names the object after the file, and knows colours of its own by name or as 0xRRGGBB.
    lines = [
        f"# {title}",
        f'load "{coloured.name}", predicted',
        "hide everything, predicted",
        "show cartoon, predicted",
        *(f"set_color e1bind_{name}, [{_rgb(color)}]" for name, color in _PYMOL_COLORS.items()),
        "spectrum b, e1bind_low e1bind_middle e1bind_high, predicted, minimum=0, maximum=1",
        "color e1bind_grey, predicted and b < 0",
    ]
    # A "-" would make a range of a negative number.
    numbers = {chain: "+".join(found).replace("-", r"\-") for chain, found in _by_chain(calls).items()}
    if sites := " or ".join(f"(chain {chain} and resi {resi})" for chain, resi in numbers.items()):
        lines.append(f"show sticks, predicted and ({sites}) and not name C+N+O")
    return "\n".join([*lines, "orient predicted", ""])


_PYMOL_COLORS = {"low": LOW, "middle": MIDDLE, "high": HIGH, "grey": GREY}


def _rgb(color: str) -> str:
    return ", ".join(f"{int(color[i : i + 2], 16) / 255:.3f}" for i in (1, 3, 5))


def _by_chain(keys: Sequence[ResidueKey]) -> dict[str, list[str]]:
    """Residue numbers by chain, each once, in order."""
    found: dict[str, list[str]] = {}
    for chain, number, _ in keys:
        numbers = found.setdefault(chain, [])
        if number not in numbers:
            numbers.append(number)
    return found
