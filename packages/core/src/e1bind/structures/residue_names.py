"""Names of amino acids, as the PDB and as force fields write them.

Force fields name a residue after its protonation, its bond or its place in the chain: HSD, CYX, NALA. Each is read
as its parent. What gemmi's table of the chemical component dictionary knows is taken from there, first.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import gemmi

from e1bind.contracts import STANDARD_RESIDUES

UNKNOWN_LETTER = "X"

_FORMS = {
    # CHARMM, AMBER, GROMACS (OPLS, GROMOS), PDB2PQR, Maestro, constant-pH AMBER
    "HIS": "HID HIE HIP HSD HSE HSP HSN HISA HISB HISD HISE HISH HISP HIS1 HIS2",
    "CYS": "CYM CYX CYN CYP CYD CYZ CYT CYS1 CYS2 CYSH CYSD CYSP",
    "ASP": "ASH ASPH ASPP AS4",
    "GLU": "GLH GLUH GLUP GL4",
    "LYS": "LYN LYP LSN LYSH LYSN LYSP",
    "ARG": "ARN AR0 ARGN",
    "TYR": "TYM TYN TYO",
    "THR": "THO",
    "SER": "SRO",
    "GLN": "QLN",
}
_STANDARD = [gemmi.expand_one_letter(letter, gemmi.ResidueKind.AA) for letter in STANDARD_RESIDUES]
_PARENT = {form: parent for parent, forms in _FORMS.items() for form in forms.split()}
# AMBER's residues at the ends of a chain: NALA, CALA, NHIE, CCYX.
_PARENT |= {
    end + name: _PARENT.get(name, name)
    for end in "NC"
    for name in [*_STANDARD, *(form for form in _PARENT if len(form) == 3)]
}
FOUR_LETTERS: Mapping[str, str] = {name: parent for name, parent in _PARENT.items() if len(name) == 4}
"""Parents of the names that fill column 21 of a PDB file, where others write the first letter of a chain."""
_HOMOSERINE = "OD"
"""The atom that tells homoserine, HSE in the PDB, from the histidine that CHARMM calls HSE."""


def letter(name: str, atoms: Collection[str] = (), parents: Mapping[str, str] | None = None) -> str:
    """One letter; a modified residue's parent, X for what has none.

    `parents` are those that the file itself declares for its modified residues.
    """
    own = _tabulated(name)
    if own is None and parents and name in parents:
        own = _tabulated(parents[name])
    if own is None and not (name == "HSE" and _HOMOSERINE in atoms):
        own = _tabulated(_PARENT.get(name, ""))
    return own or UNKNOWN_LETTER


def is_amino_acid(name: str, parents: Mapping[str, str] | None = None) -> bool:
    """Whether the name is one of an amino acid: tabulated, a force field's, or declared by the file."""
    known = gemmi.find_tabulated_residue(name).is_amino_acid() or name in _PARENT
    return known or bool(parents and name in parents and is_amino_acid(parents[name]))


def element_of(atom: str, residue: str) -> str:
    """The symbol of an atom, in capitals, where no column tells it: an ion's own name, else the first letter."""
    letters = "".join(filter(str.isalpha, atom)).upper()
    alone = "".join(filter(str.isalpha, residue)).upper()
    if letters and (letters == alone or letters == "SE") and gemmi.Element(letters).atomic_number:
        return letters
    return letters[:1]


def is_nucleotide(name: str) -> bool:
    """Whether the name is one of a nucleotide."""
    return gemmi.find_tabulated_residue(name).is_nucleic_acid()


def _tabulated(name: str) -> str | None:
    found = gemmi.find_tabulated_residue(name)
    code = found.one_letter_code.upper().strip() if found.is_amino_acid() else ""
    return code if code and code in STANDARD_RESIDUES else None
