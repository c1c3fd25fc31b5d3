"""Structures: chains, alignment, coloured copies. The models are made here, residue by residue."""

from __future__ import annotations

import gzip
import re
from collections.abc import Sequence
from pathlib import Path

import gemmi
import numpy as np
import pytest

from e1bind.contracts import ResidueRecord
from e1bind.errors import DataError
from e1bind.inference.chain_alignment import align
from e1bind.inference.structure_copies import NOT_SCORED, Site, coloured
from e1bind.inference.viewer_scripts import script_texts
from e1bind.structures.structure import read_structure

RNG = np.random.default_rng(1)
SEQUENCE = "".join(RNG.choice(list("ACDEFGHIKLMNPQRSTVWY"), 60))
OTHER = "".join(RNG.choice(list("ACDEFGHIKLMNPQRSTVWY"), 60))
NAMES = {letter: gemmi.expand_one_letter(letter, gemmi.ResidueKind.AA) for letter in "ACDEFGHIKLMNPQRSTVWY"}


def model(chains: dict[str, Sequence[tuple[str, str]]]) -> gemmi.Structure:
    """Chains of (number, residue name); residues of consecutive numbers are bonded. A zinc ion and a water each."""
    structure = gemmi.Structure()
    structure.add_model(gemmi.Model(1))
    for name, residues in chains.items():
        chain = gemmi.Chain(name)
        for number, residue_name in residues:
            residue = gemmi.Residue()
            residue.name, residue.seqid = residue_name, _number(number)
            for atom_name, shift in (("N", 0.0), ("CA", 1.4), ("C", 2.5)):
                atom = gemmi.Atom()
                atom.name, atom.element, atom.b_iso = atom_name, gemmi.Element(atom_name[0]), 33.0
                atom.pos = gemmi.Position(3.8 * residue.seqid.num + shift, 20.0 * ord(name[0]), 0)
                residue.add_atom(atom)
            chain.add_residue(residue)
        for number, het, element in (("901", "ZN", "Zn"), ("902", "HOH", "O")):
            residue = gemmi.Residue()
            residue.name, residue.seqid, residue.het_flag = het, gemmi.SeqId(number), "H"
            atom = gemmi.Atom()
            atom.name, atom.element, atom.b_iso = element.upper(), gemmi.Element(element), 33.0
            residue.add_atom(atom)
            chain.add_residue(residue)
        structure[0].add_chain(chain)
    structure.setup_entities()
    structure.assign_label_seq_id()
    return structure


def _number(text: str) -> gemmi.SeqId:
    return gemmi.SeqId(int(text[:-1]), text[-1]) if text[-1].isalpha() else gemmi.SeqId(int(text), " ")


def residues(sequence: str, first: int = 1) -> list[tuple[str, str]]:
    return [(str(first + i), NAMES[letter]) for i, letter in enumerate(sequence)]


def save(structure: gemmi.Structure, path: Path) -> Path:
    if ".cif" in path.name:
        text = structure.make_mmcif_document().as_string()
    else:
        text = "REMARK 999 KEPT AS IT IS\n" + structure.make_pdb_string()
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


@pytest.fixture(params=["m.cif", "m.pdb", "m.cif.gz", "m.pdb.gz"])
def path(request, tmp_path) -> Path:
    return tmp_path / request.param


def factors(path: Path) -> dict[tuple[str, str, str], float]:
    return {
        (chain.name, str(residue.seqid), residue.name): atom.b_iso
        for chain in gemmi.read_structure(str(path))[0]
        for residue in chain
        for atom in residue
    }


def test_chains_are_read_without_ions_and_water(path):
    selenium = [*residues(SEQUENCE[:30]), ("31", "MSE"), ("31A", "GLY"), *residues(SEQUENCE[30:], 40)]
    structure = read_structure(save(model({"A": selenium, "B": residues(OTHER, -3)}), path))
    assert [chain.sequence for chain in structure.chains] == [SEQUENCE[:30] + "MG" + SEQUENCE[30:], OTHER]
    assert [record.id for record in structure.records()] == ["m_A", "m_B"]
    assert structure.chains[0].keys[31] == [("A", "31A", "GLY")]
    assert structure.chains[1].keys[0][0][1] == "-3"
    # Before the first residue, and where the numbers jump.
    assert [i for i, broken in enumerate(structure.chains[0].broken) if broken][-1] == 32


def test_the_copy_differs_in_b_factors_only(path, tmp_path):
    structure = read_structure(save(model({"A": residues(SEQUENCE), "B": residues(OTHER)}), path))
    chain = structure.chains[0]
    values = {key: i / 100 for i, keys in enumerate(chain.keys) for key in keys}
    copy = tmp_path / f"copy.{structure.kind}"
    by_place = {place: i / 100 for i, places in enumerate(chain.places) for place in places}
    copy.write_bytes(coloured(structure, by_place))
    found = factors(copy)
    assert {key: found[key] for key in values} == pytest.approx(values, abs=1e-6)
    assert {value for key, value in found.items() if key not in values} == {NOT_SCORED}
    before, after = gemmi.read_structure(str(path)), gemmi.read_structure(str(copy))
    assert [a.atom.pos.tolist() for a in before[0].all()] == [a.atom.pos.tolist() for a in after[0].all()]
    if structure.kind == "pdb":
        assert copy.read_text().startswith("REMARK 999 KEPT AS IT IS\n")


def test_every_model_of_an_ensemble_is_coloured(tmp_path):
    many = model({"A": residues(SEQUENCE)})
    many.add_model(many[0].clone())
    many.renumber_models()
    structure = read_structure(save(many, tmp_path / "nmr.pdb"))
    painted = coloured(structure, {place: 0.25 for places in structure.chains[0].places for place in places})
    (tmp_path / "copy.pdb").write_bytes(painted)
    again = gemmi.read_structure(str(tmp_path / "copy.pdb"))
    assert len(again) == 2
    assert all(m["A"][5][0].b_iso == 0.25 for m in again)


def chain_of(sequence: str, tmp_path: Path, gaps: slice = slice(0, 0)):
    kept = [r for i, r in enumerate(residues(sequence)) if i not in range(gaps.start, gaps.stop)]
    return read_structure(save(model({"A": kept}), tmp_path / "x.pdb")).chains[0]


def test_a_loop_that_is_missing_leaves_every_other_residue_in_place(tmp_path):
    chain = chain_of(SEQUENCE, tmp_path, slice(20, 33))
    match = align(ResidueRecord("s", "MGSS" + SEQUENCE + "HHHHHH"), chain)
    assert match is not None
    assert match.position_L.tolist() == [4 + i for i in (*range(20), *range(33, 60))]
    assert match.remarks() == ["23 residues of the sequence are not in the structure"]


def test_the_residue_at_the_edge_of_a_loop_goes_to_its_own_side(tmp_path):
    sequence = SEQUENCE[:20] + "KAAAAAK" + SEQUENCE[20:]
    match = align(ResidueRecord("s", sequence), chain_of(sequence, tmp_path, slice(21, 27)))
    assert match is not None
    assert match.position_L.tolist() == [*range(21), *range(27, 67)]


def test_a_mutant_is_placed_and_told(tmp_path):
    mutant = SEQUENCE[:7] + ("A" if SEQUENCE[7] != "A" else "G") + SEQUENCE[8:]
    match = align(ResidueRecord("s", mutant), chain_of(SEQUENCE, tmp_path))
    assert match is not None
    assert match.position_L.tolist() == list(range(60))
    assert match.remarks() == [f"1 residues differ: {NAMES[SEQUENCE[7]]} 8 is {mutant[7]}8 in the sequence"]


def test_residues_that_only_the_structure_has_get_no_place(tmp_path):
    match = align(ResidueRecord("s", SEQUENCE), chain_of("GSHM" + SEQUENCE, tmp_path))
    assert match is not None
    assert match.position_L[:4].tolist() == [-1] * 4
    assert "4 residues of the structure are not in the sequence" in match.remarks()[0]


def test_another_sequence_does_not_fit_however_long(tmp_path):
    chain = chain_of(SEQUENCE, tmp_path)
    long = "".join(RNG.choice(list("ACDEFGHIKLMNPQRSTVWY"), 3000))
    assert align(ResidueRecord("s", OTHER), chain) is None
    assert align(ResidueRecord("s", long), chain) is None
    assert align(ResidueRecord("s", "ACD"), chain) is None
    longer = chain_of(long[:800], tmp_path)
    assert align(ResidueRecord("s", OTHER[:25]), longer) is None


@pytest.mark.parametrize(
    ("name", "text"), [("a.pdb", "hello\n"), ("a.cif", "hello\n"), ("a.txt", ""), ("a.cif", "")]
)
def test_what_is_no_structure_is_an_error(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError):
        read_structure(tmp_path / name)
    with pytest.raises(DataError):
        read_structure(tmp_path / "none.pdb")


def complaint(path: Path) -> str | None:
    """What is wrong with a file; None where it reads. Whatever else is raised fails the test."""
    try:
        structure = read_structure(path)
    except DataError as error:
        return str(error) if str(error).isprintable() else f"not printable: {error!a}"
    assert all(record.sequence for record in structure.records())
    return None


@pytest.mark.parametrize("step", [pytest.param(97, id="sample"), pytest.param(1, id="all", marks=pytest.mark.slow)])
def test_a_file_that_is_cut_anywhere_reads_or_is_told(path, step):
    content = save(model({"A": residues(SEQUENCE[:20]), "B": residues(OTHER[:20], -3)}), path).read_bytes()
    for length in range(0, len(content), step):
        path.write_bytes(content[:length])
        message = complaint(path)
        assert message is None or str(path) in message
        assert message is not None or path.suffix != ".gz", "a cut gzip file is always told"


@pytest.mark.parametrize("seed", range(3))
def test_a_file_with_flipped_bytes_or_of_nothing_but_noise_reads_or_is_told(path, seed):
    rng = np.random.default_rng(seed)
    content = save(model({"A": residues(SEQUENCE[:8]), "B": residues(OTHER[:8], -3)}), path).read_bytes()
    for _ in range(150):
        damaged = np.frombuffer(content, dtype=np.uint8).copy()
        damaged[rng.integers(0, len(damaged), 4)] = rng.integers(0, 256, 4)
        path.write_bytes(damaged.tobytes())
        assert "not printable" not in (complaint(path) or "")
    path.write_bytes(rng.bytes(2000))
    assert complaint(path) is not None


@pytest.mark.parametrize("column", [21, 17, 26], ids=["chain", "residue", "insertion-code"])
def test_a_name_that_is_no_text_is_told_with_its_line_and_column(tmp_path, column):
    pdb = save(model({"A": residues(SEQUENCE)}), tmp_path / "x.pdb")
    lines = pdb.read_bytes().splitlines(keepends=True)
    lines[0] = b"REMARK   1 AUTHOR J\xe9ROME\n"
    first = next(i for i, line in enumerate(lines) if line.startswith(b"ATOM"))
    pdb.write_bytes(b"".join(lines))
    assert complaint(pdb) is None
    for i in range(first, first + 3):
        lines[i] = lines[i][:column] + b"\xe9" + lines[i][column + 1 :]
    pdb.write_bytes(b"".join(lines))
    message = complaint(pdb)
    assert message is not None
    assert f"{pdb}, line {first + 1}: " in message
    assert f"(0xe9, column {column + 1})" in message


def test_a_chain_that_is_named_by_a_control_character_is_told(tmp_path):
    pdb = save(model({"A": residues(SEQUENCE)}), tmp_path / "x.pdb")
    pdb.write_text(pdb.read_text().replace(" A ", " \x1b "))
    assert "control character '\\x1b'" in (complaint(pdb) or "")


def test_a_residue_without_a_number_is_told(tmp_path):
    pdb = save(model({"A": residues(SEQUENCE)}), tmp_path / "x.pdb")
    pdb.write_text("".join(f"{line[:22]}    {line[26:]}" for line in pdb.read_text().splitlines(keepends=True)))
    assert "has no number" in (complaint(pdb) or "")


def test_a_cut_line_is_told_with_its_number_in_one_sentence(tmp_path):
    pdb = save(model({"A": residues(SEQUENCE)}), tmp_path / "x.pdb")
    text = pdb.read_text()
    pdb.write_text(text[: text.index("CA") + 20])
    assert "Problem in line " in (complaint(pdb) or "")


def test_scripts_name_the_copy_and_the_called_residues(tmp_path):
    calls = [("A", "-3", "HIS"), ("A", "45A", "HIS"), ("B", "7", "CYS")]
    texts = script_texts(tmp_path / "m_ZN.cif", [Site(*call) for call in calls], [], "title")
    chimerax, pymol = texts.values()
    assert 'open "m_ZN.cif"' in chimerax
    assert "show /A:-3,45A/B:7 atoms" in chimerax
    assert r"(chain A and resi \-3+45A) or (chain B and resi 7)" in pymol
    assert 'load "m_ZN.cif"' in pymol


def test_no_name_in_a_structure_becomes_a_command_of_a_script(tmp_path):
    """A chain, an ion or a run called like a command stays in a comment, or is left out."""
    evil = ["A\nshell rm -rf x", "A; shell rm", "A or all", "A\u2028quit", "A\x1b[2J"]
    calls = [(chain, "7", "HIS") for chain in evil] + [("B", "8", "HIS"), ("B", "9\nquit", "HIS")]
    sites = [Site(*call) for call in calls]
    texts = script_texts(tmp_path / "x_ZN.pdb", sites, sites[:1], "ZN\nshell rm binding by run\rquit")
    for script in texts.values():
        lines = script.splitlines()
        assert not [line for line in lines if re.match(r"\s*(shell|quit|rm)", line)]
        commands = "\n".join(line for line in lines if not line.startswith("#"))
        for word in ("shell", "rm", "or all", "quit", "\x1b"):
            assert word not in commands
        assert "B" in commands
        assert "\x1b" not in script
        assert sum(line.startswith("# chain") for line in lines) == 7
