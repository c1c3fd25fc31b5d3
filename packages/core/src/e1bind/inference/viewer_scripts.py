"""Scripts that colour a structure's copy by its probabilities, for ChimeraX and for PyMOL.

A script is a program: names of chains, ions and runs come out of files, and none of them may become a command. What
can be no plain word of a selection is not selected, and the script says so in a comment.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from e1bind.files.text import one_line
from e1bind.files.writing import output_text
from e1bind.inference.structure import ResidueKey

LOW, MIDDLE, HIGH, GREY = "#F0F0F0", "#56B4E9", "#D55E00", "#9A9A9A"
"""Colours of probability 0, 0.5 and 1, and of what was not scored; told apart with any colour vision."""

_CHAIN = re.compile(r"[A-Za-z0-9_]+")
_NUMBER = re.compile(r"-?[0-9]+[A-Za-z]?")


def write_scripts(coloured: Path, calls: Sequence[ResidueKey], title: str) -> list[Path]:
    """Scripts beside the copy, `.cxc` for ChimeraX and `.pml` for PyMOL; side chains of `calls` are shown."""
    chimerax, pymol = coloured.with_suffix(".cxc"), coloured.with_suffix(".pml")
    output_text(chimerax, _chimerax(coloured.name, calls, title))
    output_text(pymol, _pymol(coloured, calls, title))
    return [chimerax, pymol]


def _chimerax(name: str, calls: Sequence[ResidueKey], title: str) -> str:
    lines = [
        f"# {one_line(title)}",
        *_left_out(calls),
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
        f"# {one_line(title)}",
        *_left_out(calls),
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
    """Residue numbers by chain, each once, in order; those that can be named in a selection."""
    found: dict[str, list[str]] = {}
    for chain, number, _ in keys:
        if _CHAIN.fullmatch(chain) and _NUMBER.fullmatch(number):
            numbers = found.setdefault(chain, [])
            if number not in numbers:
                numbers.append(number)
    return found


def _left_out(keys: Sequence[ResidueKey]) -> list[str]:
    """Comments about chains whose names no selection can hold."""
    odd = dict.fromkeys(c for c, number, _ in keys if not (_CHAIN.fullmatch(c) and _NUMBER.fullmatch(number)))
    return [f"# chain {one_line(chain)!r}: side chains are not shown, its name is no plain word" for chain in odd]
