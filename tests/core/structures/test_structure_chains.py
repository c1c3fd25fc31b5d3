"""Which residues of a file are a chain, and which are another one: files of molecular dynamics and of homomers."""

from __future__ import annotations

import re

import pytest
from ca_models import THREE, S, Strand, atom, cif, painted, pdb

from e1bind.errors import DataError
from e1bind.inference.chain_matching import own_matches
from e1bind.inference.structure_copies import coloured, values_of
from e1bind.structures.structure import read_structure

OTHER = S[::-1][:48]
CA = ("group_PDB", "id", "label_atom_id", "label_comp_id", "label_asym_id", "auth_asym_id")
CA += ("label_seq_id", "auth_seq_id", "Cartn_x", "Cartn_y", "Cartn_z", "B_iso_or_equiv")


def chains_of(tmp_path, text, name="m.pdb"):
    path = tmp_path / name
    path.write_text(text)
    return read_structure(path)


def cif_row(i, name, asym, chain, label, number, y, b="9.0"):
    return ("ATOM", "1", "CA", name, asym, chain, label, number, f"{3.8 * i:.1f}", f"{y}", "0.0", b)


TWICE = {
    "TER": [Strand(S), Strand(S[3:], column=1)],
    "TER, numbers that go on": [Strand(S), Strand(S[3:], first=61, column=1)],
    "segment ids": [Strand(S, segment="PROA", ter=False), Strand(S[3:], segment="PROB", column=1)],
    "segment ids without a chain": [Strand(S, " ", "PROA", ter=False), Strand(S[3:], " ", "PROB", column=1)],
    "numbers that begin again": [Strand(S, ter=False), Strand(S[3:], column=1)],
    "numbers that begin again, no chain": [Strand(S, " ", ter=False), Strand(S[3:], " ", column=1)],
    "numbers that begin again in the middle": [Strand(S, ter=False, first=5), Strand(S[3:], column=1)],
}


@pytest.mark.parametrize("how", TWICE)
def test_two_chains_of_one_letter_are_two_and_every_residue_gets_its_own_value(tmp_path, how):
    structure = chains_of(tmp_path, pdb(TWICE[how]))
    assert [chain.sequence for chain in structure.chains] == [S, S[3:]]
    ids = [record.id for record in structure.records()]
    assert len(set(ids)) == 2
    values = {}
    for start, match in zip((0.0, 0.5), own_matches(structure), strict=True):
        values |= values_of(match, [start + i / 200 for i in range(len(match.record))])
    rows = painted(coloured(structure, values).decode())
    wanted = [(letter, i / 200) for i, letter in enumerate(S)]
    wanted += [(letter, 0.5 + i / 200) for i, letter in enumerate(S[3:])]
    assert [(row[3], row[4]) for row in rows] == [(a, pytest.approx(b, abs=0.0051)) for a, b in wanted]
    assert "several chains are called" in structure.remarks()[0]


def test_numbers_that_fall_inside_a_bonded_chain_do_not_part_it(tmp_path):
    lines = [atom(THREE[letter], "A", (i + 30) % 51 + 1, 3.8 * i, 0) for i, letter in enumerate(S)]
    assert [chain.sequence for chain in chains_of(tmp_path, "\n".join(lines)).chains] == [S]


def test_a_chain_whose_segment_id_changes_where_it_is_bonded_is_one(tmp_path):
    lines = [atom(THREE[letter], "A", i + 1, 3.8 * i, 0, "S1" if i < 20 else "S2") for i, letter in enumerate(S)]
    assert [chain.sequence for chain in chains_of(tmp_path, "\n".join(lines)).chains] == [S]


def test_a_loop_that_is_missing_does_not_part_a_chain(tmp_path):
    kept = [i for i in range(len(S)) if not 20 <= i < 26]
    lines = [atom(THREE[S[i]], "A", i + 1, 3.8 * i, 0) for i in kept]
    assert [chain.sequence for chain in chains_of(tmp_path, "\n".join(lines)).chains] == [S[:20] + S[26:]]


@pytest.mark.parametrize("parting", ["MODEL", "END"])
def test_models_of_one_chain_are_copies_and_models_of_two_proteins_are_two_chains(tmp_path, parting):
    def frames(*strands):
        texts = [pdb([strand]).removesuffix("END\n") for strand in strands]
        if parting == "END":
            return "END\n".join(texts)
        return "".join(f"MODEL {i:8}\n{text}ENDMDL\n" for i, text in enumerate(texts, start=1))

    same = chains_of(tmp_path, frames(Strand(S), Strand(S, column=1)))
    assert [chain.sequence for chain in same.chains] == [S]
    assert [len(places) for places in same.chains[0].places] == [2] * len(S)
    two = chains_of(tmp_path, frames(Strand(S), Strand(OTHER, column=1)))
    assert [(c.label, c.sequence) for c in two.chains] == [("A", S), ("A-model2", OTHER)]


def test_two_polymers_of_one_author_chain_are_two(tmp_path):
    rows = [cif_row(i, THREE[letter], "A", "X", str(i + 1), str(i + 1), 0) for i, letter in enumerate(S)]
    rows += [cif_row(i, THREE[letter], "B", "X", str(i + 1), str(i + 1), 60) for i, letter in enumerate(S)]
    structure = chains_of(tmp_path, cif(rows, CA), "m.cif")
    assert [(chain.label, chain.sequence) for chain in structure.chains] == [("X-A", S), ("X-B", S)]
    places = [place for chain in structure.chains for own in chain.places for place in own]
    assert places == list(range(2 * len(S)))


def test_alternatives_at_one_position_are_one_residue(tmp_path):
    """Microheterogeneity; the second residue stands at the end of the file."""
    lines = [atom(THREE[letter], "A", i + 1, 3.8 * i, 0) for i, letter in enumerate(S)]
    lines.append(atom("SER", "A", 5, 3.8 * 4 + 0.3, 0))
    chain = chains_of(tmp_path, "\n".join(lines)).chains[0]
    assert chain.sequence == S
    assert [key[2] for key in chain.keys[4]] == ["CYS", "SER"]
    assert chain.places[4] == [4, len(S)]


FORMS = {
    "H": "HID HIE HIP HSD HSE HSP HISA HISB HISD HISE HISH HIS1 HIS2 NHIE CHIS NHID CHIP",
    "C": "CYM CYX CYS1 CYS2 CYSH NCYX CCYS",
    "D": "ASH ASPH ASPP NASP CASP",
    "E": "GLH GLUH GLUP CGLU",
    "K": "LYN LSN LYSH LYP NLYS",
    "R": "ARN ARGN CARG",
    "M": "MSE NMET",
}


@pytest.mark.parametrize(("letter", "form"), [(a, form) for a, forms in FORMS.items() for form in forms.split()])
def test_names_of_force_fields_are_read_as_their_parent(tmp_path, letter, form):
    at = S.index(letter, 2)
    text = pdb([Strand(S, names={at: form}), Strand(S, "B", column=1)])
    structure = chains_of(tmp_path, text)
    assert [(chain.label, chain.sequence) for chain in structure.chains] == [("A", S), ("B", S)]
    assert structure.remarks() == []
    rows = [cif_row(i, form if i == at else THREE[x], "A", "A", str(i + 1), str(i + 1), 0) for i, x in enumerate(S)]
    assert chains_of(tmp_path, cif(rows, CA), "m.cif").chains[0].sequence == S


def test_a_chain_of_two_letters_is_none_of_a_name_of_four(tmp_path):
    """HIS of chain EA is written as HISE of chain A is; where other residues stand in EA, it is that chain."""
    structure = chains_of(tmp_path, pdb([Strand(S, "EA"), Strand(S, "DA", column=1)]))
    assert [(chain.label, chain.sequence) for chain in structure.chains] == [("EA", S), ("DA", S)]


@pytest.mark.parametrize(("label", "author"), [("HIS", "HSD"), ("HSD", "HIS"), ("XYZ", "HIS"), ("HIS", "XYZ")])
def test_the_name_of_label_or_author_that_is_an_amino_acid_is_read(tmp_path, label, author):
    rows = [
        (
            *cif_row(i, label if x == "H" else THREE[x], "A", "A", str(i + 1), str(i + 1), 0),
            author if x == "H" else THREE[x],
        )
        for i, x in enumerate(S)
    ]
    assert chains_of(tmp_path, cif(rows, (*CA, "auth_comp_id")), "m.cif").chains[0].sequence == S


def test_a_modified_residue_is_read_as_the_parent_that_the_file_declares(tmp_path):
    text = pdb([Strand(S, names={2: "QQQ"})])
    assert "MODRES" not in text
    modres = "MODRES 1ABC QQQ A    3  HIS  SOME FORM OF HISTIDINE\n"
    assert chains_of(tmp_path, modres + text).chains[0].sequence == S


def test_what_has_no_letter_is_told(tmp_path):
    backbone = [
        atom(name, "A", i + 1, 3.8 * i + shift, 0, of=of)
        for i, name in enumerate(["ALA", "QQQ", "ALA", "GLY"])
        for of, shift in ((" N  ", 0), (" CA ", 1.4), (" C  ", 2.5))
    ]
    structure = chains_of(tmp_path, "\n".join(backbone))
    assert structure.chains[0].sequence == "AXAG"
    assert structure.remarks() == ["chain A: 1 residues are read as X: QQQ 2"]


def het(what="HETATM"):
    """Ions, waters and ligands, as programs name them, 3 A and more from one another."""
    names = [
        ("ZN", "ZN  "),
        ("CAL", "CAL "),
        ("CA", "CA  "),
        ("SOD", "SOD "),
        ("HOH", " O  "),
        ("TIP3", " OH2"),
        ("SOL", " OW "),
    ]
    names += [("WAT", " O  "), ("ACE", " CH3"), ("HEM", "FE  "), ("NME", " N  ")]
    return [atom(name, "A", 201 + i, 3.8 * i, 30, what=what, of=of) for i, (name, of) in enumerate(names)]


@pytest.mark.parametrize("what", ["ATOM", "HETATM"])
@pytest.mark.parametrize("where", ["before TER", "without TER", "before the chain"])
def test_water_ions_and_ligands_are_not_scored_wherever_they_stand(tmp_path, what, where):
    chain = pdb([Strand(S, ter=False)]).removesuffix("END\n")
    others = "\n".join(het(what)) + "\n"
    text = {
        "before TER": chain + others + "TER\n",
        "without TER": chain + others,
        "before the chain": others + chain,
    }
    structure = chains_of(tmp_path, text[where])
    assert [chain.sequence for chain in structure.chains] == [S]
    values = values_of(own_matches(structure)[0], [0.5] * len(S))
    rows = painted(coloured(structure, values).decode())
    assert sorted(row[4] for row in rows) == [-1.0] * len(het()) + [0.5] * len(S)


def test_thousands_of_waters_leave_the_protein_a_protein(tmp_path):
    waters = [atom("TIP3", "W", i % 9999, 4.0 * (i % 99), 99.0 + i // 99 * 4, of=" OH2") for i in range(4000)]
    assert [c.sequence for c in chains_of(tmp_path, pdb([Strand(S, ter=False)], waters)).chains] == [S]


def test_a_free_amino_acid_behind_a_chain_is_a_ligand(tmp_path):
    ligand = [atom("GLU", "A", 301, 0, 25, what="HETATM"), atom("HOH", "A", 302, 0, 40, what="HETATM", of=" O  ")]
    assert [c.sequence for c in chains_of(tmp_path, pdb([Strand(S, ter=False)], ligand)).chains] == [S]


@pytest.mark.parametrize("number", ["007", "7A", "+7", "-7"])
def test_unusual_numbers_of_residues_are_read_as_what_they_are(tmp_path, number):
    rows = [
        cif_row(i, THREE[x], "A", "A", str(i + 1), number if i == 6 else str(i + 101), 0) for i, x in enumerate(S)
    ]
    chain = chains_of(tmp_path, cif(rows, CA), "m.cif").chains[0]
    assert chain.sequence == S
    assert chain.keys[6][0][1] == {"007": "7", "7A": "7A", "+7": "7", "-7": "-7"}[number]


def test_a_file_with_no_column_of_b_factors_gets_one(tmp_path):
    rows = [cif_row(i, THREE[x], "A", "A", str(i + 1), str(i + 1), 0)[:-1] for i, x in enumerate(S)]
    text = cif(rows, CA[:-1])
    structure = chains_of(tmp_path, text, "m.cif")
    again = chains_of(tmp_path, coloured(structure, {0: 0.25}).decode(), "copy.cif")
    assert [chain.sequence for chain in again.chains] == [S]
    lines = again.file.content.decode().splitlines()
    assert [line.split()[-1] for line in lines if line.startswith("ATOM")] == ["0.2500"] + ["-1.0000"] * (
        len(S) - 1
    )


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_bytes_that_need_no_change_stay(tmp_path, end):
    text = pdb([Strand(S)]).replace("\n", end)
    content = f"REMARK 1 J\xe9R\xf4ME, \u00c5ngstr\u00f6m{end}".encode() + text.encode()
    path = tmp_path / "m.pdb"
    path.write_bytes(content)
    copy = coloured(read_structure(path), {0: 9.0})
    assert re.sub(rb"(?m)^(ATOM.{56}).{6}", rb"\1  9.00", copy) == content
    odd = ";a text field with a loop_\n_atom_site.id\n;\n"
    head = f"data_x # \u00c5 comment\n_struct.title 'it''s \u00c5'\n_x.y\n{odd}\n"
    rows = [cif_row(i, THREE[x], "A", '"A"', str(i + 1), str(i + 1), 0, "?") for i, x in enumerate(S)]
    text = cif(rows, CA, head).replace("\n", end)
    (tmp_path / "m.cif").write_bytes(text.encode())
    copy = coloured(read_structure(tmp_path / "m.cif"), {})
    assert copy.replace(b"-1.0000", b"?") == text.encode()


def test_no_two_chains_get_one_name(tmp_path):
    rows = [cif_row(i, THREE[x], "A", "A-B", str(i + 1), str(i + 1), 0) for i, x in enumerate(S)]
    rows += [cif_row(i, THREE[x], asym, "A", str(i + 1), str(i + 1), 60) for asym in "BC" for i, x in enumerate(S)]
    structure = chains_of(tmp_path, cif(rows, CA), "m.cif")
    assert len({record.id for record in structure.records()}) == 3


def test_a_residue_without_a_number_is_told_in_mmcif_too(tmp_path):
    rows = [cif_row(i, THREE[x], "A", "A", ".", "?", 0) for i, x in enumerate(S)]
    with pytest.raises(DataError, match="has no number"):
        chains_of(tmp_path, cif(rows, CA), "m.cif")
