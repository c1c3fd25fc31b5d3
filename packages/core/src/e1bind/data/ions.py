"""Names of ions: one spelling for each, what others write, and groups of ions.

An ion is called by the symbol of its element, whatever its charge: iron is FE (in the PDB FE and FE2), copper CU
(CU and CU1), manganese MN (MN and MN3). A name that stands in none of the tables is an ion as well, by itself: any
ligand code a user brings.

Source of the codes: the wwPDB's Chemical Component Dictionary; of the names: UniProt's /ligand of BINDING features,
which are ChEBI's names, and its older "Metal binding" notes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

ELEMENTS: dict[str, str] = {
    "LI": "lithium", "NA": "sodium", "K": "potassium", "RB": "rubidium", "CS": "caesium",
    "BE": "beryllium", "MG": "magnesium", "CA": "calcium", "SR": "strontium", "BA": "barium",
    "SC": "scandium", "Y": "yttrium", "TI": "titanium", "ZR": "zirconium", "HF": "hafnium",
    "V": "vanadium", "CR": "chromium", "MO": "molybdenum", "W": "tungsten", "MN": "manganese", "RE": "rhenium",
    "FE": "iron", "RU": "ruthenium", "OS": "osmium", "CO": "cobalt", "RH": "rhodium", "IR": "iridium",
    "NI": "nickel", "PD": "palladium", "PT": "platinum", "CU": "copper", "AG": "silver", "AU": "gold",
    "ZN": "zinc", "CD": "cadmium", "HG": "mercury", "AL": "aluminium", "GA": "gallium", "IN": "indium",
    "TL": "thallium", "PB": "lead", "SB": "antimony", "BI": "bismuth",
    "LA": "lanthanum", "CE": "cerium", "PR": "praseodymium", "ND": "neodymium", "PM": "promethium",
    "SM": "samarium", "EU": "europium", "GD": "gadolinium", "TB": "terbium", "DY": "dysprosium", "HO": "holmium",
    "ER": "erbium", "TM": "thulium", "YB": "ytterbium", "LU": "lutetium", "TH": "thorium", "U": "uranium",
}  # fmt: skip
"""Symbol, which is what the ion is called here -> name of the element."""

CODES: dict[str, str] = {
    "FE2": "FE", "CU1": "CU", "MN3": "MN", "3CO": "CO", "3NI": "NI", "PT4": "PT", "AU3": "AU", "IR3": "IR",
    "RH3": "RH", "OS4": "OS", "4MO": "MO", "4TI": "TI", "EU3": "EU", "GD3": "GD", "HO3": "HO", "ER3": "ER",
    "YB2": "YB", "YB3": "YB", "YT3": "Y",
}  # fmt: skip
"""Codes of the dictionary that are not the element's symbol -> ion."""

_OTHER_NAMES = {
    "aluminum": "AL", "cesium": "CS", "ferrous": "FE", "ferric": "FE", "cuprous": "CU", "cupric": "CU",
}  # fmt: skip

GROUPS: dict[str, tuple[str, ...]] = {
    "REE": ("SC", "Y", "LA", "CE", "PR", "ND", "PM", "SM", "EU", "GD", "TB", "DY", "HO", "ER", "TM", "YB", "LU"),
    "LANTHANIDES": ("LA", "CE", "PR", "ND", "PM", "SM", "EU", "GD", "TB", "DY", "HO", "ER", "TM", "YB", "LU"),
    "ALKALI": ("LI", "NA", "K", "RB", "CS"),
    "ALKALINE-EARTH": ("BE", "MG", "CA", "SR", "BA"),
}
"""Ions whose labels are taken together: a residue binds the group if it binds one of them."""

_SYMBOLS = {symbol.lower(): symbol for symbol in ELEMENTS}
_NAMES = {name: symbol for symbol, name in ELEMENTS.items()} | _OTHER_NAMES
# "Zn(2+)", "Zn2+", "ZN+2", "Zn++", "zinc ion", "zinc(II)", "a zinc cation", "Zinc 1; catalytic"
_CHARGE = re.compile(r"\(\d*[+-]?\d*\)|\(i{1,3}v?\)|\d*\++\d*$|\d+[+-]$", re.IGNORECASE)
_REST = re.compile(r"\b(an?|ion|ions|cation|cations|divalent|metal)\b")


def ion_of(name: str) -> str | None:
    """The ion that a name, a symbol with its charge, or a code of the PDB means; None if it is not known here."""
    text = name.strip()
    if text.upper() in CODES:
        return CODES[text.upper()]
    text = _CHARGE.sub("", text.partition(";")[0].strip()).strip().lower()
    text = re.sub(r"\s+\d+$", "", " ".join(_REST.sub(" ", text).split()))
    return _SYMBOLS.get(text) or _NAMES.get(text)


def canonical(name: str) -> str:
    """The one spelling of an ion; of one that is not known here, and of a group, the name as it is."""
    if name.strip().upper() in GROUPS:
        return name.strip().upper()
    return ion_of(name) or name.strip()


def members(ion: str) -> tuple[str, ...]:
    """The ions of a group; of an ion itself alone."""
    name = canonical(ion)
    return GROUPS.get(name, (name,))


def meant_by(ion: str, names: Iterable[str]) -> list[str]:
    """Those of `names` (columns, ligand codes, ligands) that mean the ion or one of its group, in their order.

    A code that is not the ion's own name here, such as FE2, means itself alone where it is among them.
    """
    given = list(names)
    if ion in given and canonical(ion) != ion:
        return [ion]
    wanted = set(members(ion))
    return [name for name in given if name == ion or canonical(name) in wanted]
