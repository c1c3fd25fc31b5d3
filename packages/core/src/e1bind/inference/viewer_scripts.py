"""Scripts that colour a structure's copy by its probabilities, for ChimeraX and for PyMOL.

A script is a program: names of chains, ions and runs come out of files, and none of them may become a command. What
can be no plain word of a selection is not selected, and the script says so in a comment.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from e1bind.files.text import one_line
from e1bind.inference.structure_copies import Site

LOW, MIDDLE, HIGH, GREY = "#F0F0F0", "#56B4E9", "#D55E00", "#9A9A9A"
"""Colours of probability 0, 0.5 and 1, and of what was not scored; told apart with any colour vision."""

_CHIMERAX_CHAIN = re.compile(r"[A-Za-z0-9_]+")
_PYMOL_CHAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*|")
_NUMBER = re.compile(r"-?[0-9]+[A-Za-z]?")
_WORD = re.compile(r"[A-Za-z0-9_]*")


def script_names(coloured: Path) -> tuple[Path, Path]:
    """The scripts beside a copy, for ChimeraX and for PyMOL."""
    return coloured.with_suffix(".cxc"), coloured.with_suffix(".pml")


def script_texts(coloured: Path, calls: Sequence[Site], unclear: Sequence[Site], title: str) -> dict[Path, str]:
    """The scripts beside a copy, by name; side chains of `calls` are shown.

    `unclear` are called residues that share chain and number with others that are not called.
    """
    chimerax, pymol = script_names(coloured)
    return {
        chimerax: _chimerax(coloured.name, calls, unclear, title),
        pymol: _pymol(coloured, calls, unclear, title),
    }


def _chimerax(name: str, calls: Sequence[Site], unclear: Sequence[Site], title: str) -> str:
    shown = [
        s for s in calls if not s.segment and _CHIMERAX_CHAIN.fullmatch(s.chain) and _NUMBER.fullmatch(s.number)
    ]
    lines = [
        f"# {one_line(title)}",
        *_left_out([s for s in calls if s not in shown], unclear),
        f'open "{name}"',
        "hide atoms",
        "show cartoons",
        f"color byattribute bfactor palette 0,{LOW}:0.5,{MIDDLE}:1,{HIGH}",
        f"color @@bfactor<0 {GREY}",
    ]
    numbers: dict[str, list[str]] = {}
    for site in dict.fromkeys(shown):
        numbers.setdefault(site.chain, []).append(site.number)
    if sites := "".join(f"/{chain}:{','.join(dict.fromkeys(own))}" for chain, own in numbers.items()):
        lines += [f"show {sites} atoms", f"style {sites} stick"]
    return "\n".join([*lines, f"key {LOW}:0 {MIDDLE}:0.5 {HIGH}:1", ""])


def _pymol(coloured: Path, calls: Sequence[Site], unclear: Sequence[Site], title: str) -> str:
    # PyMOL names the object after the file, and knows colours of its own by name or as 0xRRGGBB.
    groups: dict[str, list[str]] = {}
    left = []
    for site in calls:
        if (where := _pymol_place(site, coloured.suffix == ".pdb")) is None:
            left.append(site)
        else:
            # A "-" would make a range of a negative number.
            groups.setdefault(where, []).append(site.number.replace("-", r"\-"))
    lines = [
        f"# {one_line(title)}",
        *_left_out(left, unclear),
        f'load "{coloured.name}", predicted',
        "hide everything, predicted",
        "show cartoon, predicted",
        *(f"set_color e1bind_{name}, [{_rgb(color)}]" for name, color in _PYMOL_COLORS.items()),
        "spectrum b, e1bind_low e1bind_middle e1bind_high, predicted, minimum=0, maximum=1",
        "color e1bind_grey, predicted and b < 0",
    ]
    if sites := " or ".join(f"({where} and resi {'+'.join(dict.fromkeys(n))})" for where, n in groups.items()):
        lines.append(f"show sticks, predicted and ({sites}) and not name C+N+O")
    return "\n".join([*lines, "orient predicted", ""])


def _pymol_place(site: Site, is_pdb: bool) -> str | None:
    """The part of a selection that names the chain; None where a name is no plain word.

    Of a PDB file PyMOL reads one column as the chain. The first letter of two is to it the fourth of the residue's
    name.
    """
    words = site.name, site.segment
    if not (
        _PYMOL_CHAIN.fullmatch(site.chain) and _NUMBER.fullmatch(site.number) and all(map(_WORD.fullmatch, words))
    ):
        return None
    chain = f"chain {site.chain or _NONE}"
    if is_pdb and len(site.chain) == 2:
        chain = f"chain {site.chain[1]} and resn {site.name}{site.chain[0]}"
    return f"{chain} and segi {site.segment}" if site.segment else chain


_NONE = "''"
_PYMOL_COLORS = {"low": LOW, "middle": MIDDLE, "high": HIGH, "grey": GREY}


def _rgb(color: str) -> str:
    return ", ".join(f"{int(color[i : i + 2], 16) / 255:.3f}" for i in (1, 3, 5))


def _left_out(odd: Sequence[Site], unclear: Sequence[Site]) -> list[str]:
    """Comments about residues that no selection can name."""
    chains = dict.fromkeys(site.chain for site in odd)
    lines = [
        f"# chain {one_line(chain)!r}: side chains are not shown, its name is no plain word" for chain in chains
    ]
    for chain in dict.fromkeys(site.chain for site in unclear):
        numbers = ", ".join(dict.fromkeys(one_line(site.number) for site in unclear if site.chain == chain))
        lines.append(
            f"# chain {one_line(chain)!r}: side chains of {numbers} are not shown, several residues bear the number"
        )
    return lines
