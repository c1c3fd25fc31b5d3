"""The reader `structures` on models made here: its labels against an explicit loop, and every convention it has."""

from __future__ import annotations

import gzip
import io
import logging
import warnings
from pathlib import Path

import gemmi
import numpy as np
import pytest
from Bio.PDB import MMCIFParser, PDBParser

from e1bind.data.labels import text_of_labels
from e1bind.errors import DataError
from e1bind.readers.options import StructuresOptions
from e1bind.readers.structures import StructuresReader

COLUMNS = [
    "group_PDB", "id", "type_symbol", "label_atom_id", "label_alt_id", "label_comp_id", "label_asym_id",
    "label_entity_id", "label_seq_id", "pdbx_PDB_ins_code", "Cartn_x", "Cartn_y", "Cartn_z", "occupancy",
    "auth_seq_id", "auth_asym_id", "pdbx_PDB_model_num",
]  # fmt: skip
SEQUENCE = ("GLY", "MSE", "HIS", "CYS", "ALA", "ASP", "LYS", "ASN", "SER", "TYR")
ZINC = (5.0, 5.0, 5.0)
LOOPS = "".join(f"1 {i} {name}\n" for i, name in enumerate(SEQUENCE, 1))
HEAD = f"""data_hand
_cell.length_a 60
_cell.length_b 60
_cell.length_c 60
_cell.angle_alpha 90
_cell.angle_beta 90
_cell.angle_gamma 90
_symmetry.space_group_name_H-M 'P 1 2 1'
loop_
_entity.id
_entity.type
1 polymer
2 non-polymer
loop_
_entity_poly.entity_id
_entity_poly.type
1 polypeptide(L)
loop_
_entity_poly_seq.entity_id
_entity_poly_seq.num
_entity_poly_seq.mon_id
{LOOPS}loop_
"""


def rows(model: int, lysine: tuple[float, float, float] = (30, 0, 0), zinc: str = "ZN", occupancy: str = "1.0"):
    """Atoms of one model. Numbers are 10, 11, 12, 12A, ...; residues 1 and 10 have no coordinates."""
    x, y, z = ZINC
    side = {
        2: [("SE", "SE", "", (x + 2.6, y, z), "1.0")],
        3: [("N", "NE2", "A", (x, y + 2.1, z), "0.6"), ("N", "NE2", "B", (x, y + 9, z), "0.4")],
        4: [("S", "SG", "A", (x, y, z + 9), "0.5"), ("S", "SG", "B", (x, y, z + 2.3), "0.5")],
        5: [("O", "OXT", "", (x - 2.9, y, z), "1.0")],
        6: [("O", "OD1", "", (x, y - 2.0, z), "0.0")],
        7: [("N", "NZ", "", lysine, "1.0")],
        8: [("O", "OD1", "", (-x, y, -z + 2.0), "1.0")],
        9: [("C", "CB", "", (x, y, z - 2.5), "1.0"), ("O", "OG", "", (x, y, z - 3.001), "1.0")],
    }
    for label in range(2, 10):
        name, start = SEQUENCE[label - 1], 3.8 * label
        number, code = (label + 8, "?") if label < 5 else (12, "A") if label == 5 else (label + 7, "?")
        backbone = (("N", "N", 0, 0), ("C", "CA", 1.2, 0.6), ("C", "C", 2.4, 0), ("O", "O", 2.4, -1.2))
        atoms = [(e, a, "", (start + dx, 30 + dy, 0), "1.0") for e, a, dx, dy in backbone] + side.get(label, [])
        for element, atom, alt, point, share in atoms:
            group = "HETATM" if name == "MSE" else "ATOM"
            yield (
                group,
                1,
                element,
                atom,
                alt or ".",
                name,
                "A",
                1,
                label,
                code,
                *point,
                share,
                number,
                "X",
                model,
            )
    yield ("HETATM", 1, zinc, zinc, "A", zinc, "B", 2, ".", "?", *ZINC, occupancy, 201, "X", model)
    yield ("HETATM", 1, "O", "O", ".", "HOH", "C", 2, ".", "?", 5, 5, 6, "1.0", 301, "X", model)


def cif(*models) -> str:
    lines = [" ".join(map(str, row)) for model in models for row in model]
    return HEAD + "".join(f"_atom_site.{name}\n" for name in COLUMNS) + "\n".join(lines) + "\n#\n"


@pytest.fixture
def hand(tmp_path: Path) -> Path:
    """The hand-made file, of two models: in the second the lysine binds."""
    path = tmp_path / "hand.cif"
    path.write_text(cif(rows(1), rows(2, lysine=(5.0, 5.0, 2.1))))
    return path


def read(path: Path, ion: str = "ZN", **options) -> dict[str, tuple[str, str]]:
    reader = StructuresReader(StructuresOptions(train=path, **options))
    return {r.id: (r.sequence, text_of_labels(r.labels[ion])) for r in reader.read(ion, "train")}


def test_alternatives_modified_residues_insertions_and_empty_atoms_are_labelled_as_documented(hand) -> None:
    # Se of MSE and one alternative bind; alternative B never meets the ion's A; no occupancy is no knowledge;
    # carbon gives no electrons, and 3.001 A is too far.
    assert read(hand) == {"hand_X": ("MHCADKNS", "1101?000")}


def test_every_rule_says_what_it_says(hand) -> None:
    assert read(hand, cutoff=3.1)["hand_X"][1] == "1101?001"
    assert read(hand, rule="heavy")["hand_X"][1] == "1101?001"
    assert read(hand, rule="biolip")["hand_X"][1] == "1101?001"
    assert read(hand, cutoff=2.0, symmetry=True)["hand_X"][1] == "0000?010"


def test_models_missing_residues_symmetry_and_labels_are_options(hand) -> None:
    assert read(hand, models="all")["hand_X"][1] == "1101?100"
    assert read(hand, missing="fill")["hand_X"] == ("GMHCADKNSY", "?1101?000?")
    assert read(hand, symmetry=True)["hand_X"][1] == "1101?010"
    assert set(read(hand, chain_names="label")) == {"hand_A"}


def test_an_ion_that_was_not_seen_makes_no_chain_known(tmp_path) -> None:
    (tmp_path / "a.cif").write_text(cif(rows(1, occupancy="0.0")))
    with pytest.raises(DataError, match="no chain has a site of ZN"):
        read(tmp_path)
    (tmp_path / "a.cif").write_text(cif(rows(1, zinc="UNX")))
    with pytest.raises(DataError, match="no chain"):
        read(tmp_path)


def atom(chain: str, number: int, name: str, atom: str, at, element: str, het: bool = False, occupancy=1.0) -> str:
    padded = f"{atom:<4}" if len(element) == 2 else f" {atom:<3}"
    x, y, z = at
    head = f"{'HETATM' if het else 'ATOM':<6}{1:5} {padded} {name:>3} {chain}{number:4}    "
    return f"{head}{x:8.3f}{y:8.3f}{z:8.3f}{occupancy:6.2f}{20:6.2f}          {element:>2}\n"


def strand(chain: str, names: list[str], y: float, sides: dict[int, tuple[str, tuple[float, float, float]]]) -> str:
    lines = []
    for i, name in enumerate(names):
        for a, dx in (("N", 0.0), ("CA", 1.2), ("C", 2.4)):
            lines.append(atom(chain, i + 1, name, a, (3.8 * i + dx, y, 0), a[0]))
        if i in sides:
            lines.append(atom(chain, i + 1, name, sides[i][0], sides[i][1], sides[i][0][0]))
    return "".join(lines) + "TER\n"


def pdb(ions: str, sides=None, names=("HIS", "GLY", "CYS")) -> str:
    sides = {0: ("NE2", (0, 12, 0)), 2: ("SG", (0, 8, 0))} if sides is None else sides
    return strand("A", list(names), 0, sides) + strand("B", list(names), 40, {}) + ions + "END\n"


def ion(name: str, element: str, number: int = 90, at=(0, 10, 0), atom_name: str | None = None) -> str:
    return atom("A", number, name, atom_name or name, at, element, het=True)


def test_a_chain_that_no_ion_touches_is_unknown_for_it(tmp_path) -> None:
    (tmp_path / "a.pdb").write_text(pdb(ion("ZN", "ZN")))
    (tmp_path / "b.pdb").write_text(pdb(ion("CA", "CA")))
    assert read(tmp_path) == {"a_A": ("HGC", "101")}
    assert read(tmp_path, "CA") == {"b_A": ("HGC", "101")}


def test_codes_groups_and_ligands_are_those_of_the_registry(tmp_path) -> None:
    (tmp_path / "a.pdb").write_text(pdb(ion("FE2", "FE", at=(0, 10, 0), atom_name="FE")))
    (tmp_path / "b.pdb").write_text(pdb(ion("GD3", "GD", atom_name="GD")))
    assert set(read(tmp_path, "FE")) == set(read(tmp_path, "FE2")) == set(read(tmp_path, "iron")) == {"a_A"}
    assert set(read(tmp_path, "REE")) == {"b_A"}
    (tmp_path / "c.pdb").write_text(pdb(ion("FE", "FE")))
    assert set(read(tmp_path, "FE")) == {"a_A", "c_A"}
    assert set(read(tmp_path, "FE2")) == {"a_A"}
    (tmp_path / "c.pdb").unlink()
    heme = ion("HEM", "FE", atom_name="FE") + ion("HEM", "N", at=(-3, 12, 0), atom_name="NA")
    (tmp_path / "a.pdb").write_text(pdb(heme))
    assert read(tmp_path, "HEM") == {"a_A": ("HGC", "101")}


def test_the_element_in_another_ligand_and_an_unknown_atom_leave_a_residue_unknown(tmp_path) -> None:
    heme = ion("HEM", "FE", 91, at=(0, 13, 0), atom_name="FE")
    unknown = ion("UNX", "X", 92, at=(4, 40, 1.0), atom_name="UNK")
    sides = {0: ("NE2", (0, 14, 0)), 2: ("SG", (0, 8, 0))}
    near = strand("A", ["HIS", "GLY", "CYS"], 0, sides)
    (tmp_path / "a.pdb").write_text(near + ion("FE", "FE", at=(0, 10, 0)) + heme + unknown + "END\n")
    assert read(tmp_path, "FE") == {"a_A": ("HGC", "?01")}


def test_uranium_is_no_uridine(tmp_path) -> None:
    (tmp_path / "a.pdb").write_text(pdb(ion("U", "O", atom_name="O2") + ion("IUM", "U", 92, (0, 90, 0), "U")))
    with pytest.raises(DataError, match="no chain"):
        read(tmp_path, "U")


def test_residues_of_a_pdb_file_are_filled_in_where_they_belong(tmp_path) -> None:
    names = ["HIS", "GLY", "CYS"]
    broken = strand("A", names, 0, {0: ("NE2", (0, 12, 0))}).replace("CYS A   3    ", "CYS A   6    ")
    broken = broken.replace("   7.600", "  27.600").replace("   8.800", "  28.800")
    full = "SEQRES   1 A    8  MET HIS GLY CYS ALA ALA CYS CYS\n"
    (tmp_path / "a.pdb").write_text(full + broken + ion("ZN", "ZN") + "END\n")
    assert read(tmp_path) == {"a_A": ("HGC", "100")}
    assert read(tmp_path, missing="fill") == {"a_A": ("MHGCAACC", "?10???0?")}
    (tmp_path / "a.pdb").write_text(full.replace("MET HIS", "MET TRP") + broken + ion("ZN", "ZN") + "END\n")
    with pytest.raises(DataError, match="does not fit into the sequence"):
        read(tmp_path, missing="fill")


def test_one_structure_in_two_formats_is_read_once_and_what_differs_is_told(tmp_path, caplog) -> None:
    (tmp_path / "deep").mkdir()
    structure = gemmi.read_pdb_string(pdb(ion("ZN", "ZN")))
    structure.setup_entities()
    (tmp_path / "a.cif.gz").write_bytes(gzip.compress(structure.make_mmcif_document().as_string().encode()))
    (tmp_path / "deep" / "a.pdb").write_text(pdb(ion("ZN", "ZN")))
    (tmp_path / "notes.txt").write_text("no structure\n")
    with caplog.at_level(logging.WARNING):
        assert read(tmp_path) == {"a_A": ("HGC", "101")}
    assert "2 chains stand in two files" in caplog.text
    (tmp_path / "deep" / "a.pdb").write_text(pdb(ion("ZN", "ZN", at=(0, 9, 5))))
    with pytest.raises(DataError, match=r"a_A: already read from .* other sites"):
        read(tmp_path)


def test_all_problems_of_all_files_are_told_at_once(tmp_path) -> None:
    (tmp_path / "a.pdb").write_text("")
    (tmp_path / "b.cif").write_text("data_b\nloop_\n_atom_site.Cartn_x\n")
    (tmp_path / "c.pdb.gz").write_bytes(gzip.compress(b"ATOM")[:12])
    (tmp_path / "d.pdb").write_text(pdb(ion("ZN", "ZN"), names=("HIS", "UNK", "CYS")))
    with pytest.raises(DataError) as told:
        read(tmp_path, unknown_residues="error")
    message = str(told.value)
    assert "has 4 problems" in message
    for part in ("a.pdb: is empty", "b.cif", "c.pdb.gz: damaged", "chain A: 1 residues have no letter (UNK 2)"):
        assert part in message


@pytest.mark.parametrize(
    ("options", "message"),
    [({"chain_names": "label"}, "has no labels of chains"), ({"symmetry": True}, "symmetry needs both")],
)
def test_what_a_file_cannot_answer_is_told(tmp_path, options, message) -> None:
    cell = "CRYST1   60.000   60.000   60.000  90.00  90.00  90.00 Q 99\n"
    (tmp_path / "a.pdb").write_text(cell + pdb(ion("ZN", "ZN")))
    with pytest.raises(DataError, match=message):
        read(tmp_path, **options)


def test_a_folder_of_nucleic_acids_and_one_of_nothing(tmp_path, caplog) -> None:
    with pytest.raises(DataError, match="holds no structure"):
        read(tmp_path)
    dna = atom("D", 1, "DA", "P", (0, 0, 0), "P") + atom("D", 2, "DG", "P", (6, 0, 0), "P")
    (tmp_path / "dna.pdb").write_text(dna + "END\n")
    (tmp_path / "a.pdb").write_text(pdb(ion("ZN", "ZN")))
    with caplog.at_level(logging.WARNING):
        assert set(read(tmp_path)) == {"a_A"}
    assert "dna.pdb: holds no protein chain, and is passed over" in caplog.text


NAMES = ["HIS", "CYS", "ASP", "GLU", "ASN", "SER", "ALA", "MSE"]
SIDE = {"HIS": ("NE2", "N"), "CYS": ("SG", "S"), "ASP": ("OD1", "O"), "GLU": ("OE1", "O"), "ASN": ("ND2", "N")}
SIDE |= {"SER": ("OG", "O"), "ALA": ("CB", "C"), "MSE": ("SE", "Se")}


def random_model(seed: int) -> gemmi.Structure:
    """Three chains with side chains in a box of 14 A, full of ions."""
    rng = np.random.default_rng(seed)
    structure = gemmi.Structure()
    model = gemmi.Model(1)
    for name in "ABC":
        chain = gemmi.Chain(name)
        for i in range(20):
            kind = str(rng.choice(NAMES))
            atoms = [
                (a, a[0], (3.8 * i + dx, 60.0 + 20 * ord(name), 0)) for a, dx in (("N", 0), ("CA", 1.2), ("C", 2.4))
            ]
            atoms.append((*SIDE[kind], tuple(rng.uniform(0, 14, 3).round(3))))
            chain.add_residue(residue(kind, i + 1, atoms, "A"))
        for i, metal in enumerate(rng.choice(["Zn", "Ca"], 5)):
            at = tuple(rng.uniform(0, 14, 3).round(3))
            chain.add_residue(residue(metal.upper(), 100 + i, [(metal.upper(), metal, at)], "H"))
        model.add_chain(chain)
    structure.add_model(model)
    structure.setup_entities()
    structure.assign_label_seq_id()
    return structure


def residue(name: str, number: int, atoms, flag: str) -> gemmi.Residue:
    made = gemmi.Residue()
    made.name, made.seqid, made.het_flag = name, gemmi.SeqId(number, " "), "H" if name == "MSE" else flag
    for atom_name, element, at in atoms:
        one = gemmi.Atom()
        one.name, one.element, one.pos = atom_name, gemmi.Element(element), gemmi.Position(*map(float, at))
        made.add_atom(one)
    return made


def by_hand(path: Path, metal: str, rule: str) -> dict[str, list[int]]:
    """Labels by an explicit loop over the atoms that Biopython reads."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parser = MMCIFParser(QUIET=True) if path.suffix == ".cif" else PDBParser(QUIET=True)
        model = next(iter(parser.get_structure("x", io.StringIO(path.read_text()))))
    ions = [r[metal].coord for chain in model for r in chain if r.get_resname().strip() == metal]
    radii = {"N": 1.55, "C": 1.7, "O": 1.52, "S": 1.8, "SE": 1.9, "ZN": 1.39, "CA": 2.31}
    labels: dict[str, list[int]] = {}
    for chain in model:
        for one in chain:
            if one.get_resname().strip() in ("ZN", "CA"):
                continue
            bound = 0
            for a in one:
                for at in ions:
                    apart = float(np.sqrt(((a.coord.astype(float) - at.astype(float)) ** 2).sum()))
                    if rule == "donor":
                        bound |= a.element.upper() in ("N", "O", "S", "SE") and apart <= 3.0
                    else:
                        bound |= apart < 0.5 + radii[a.element.upper()] + radii[metal]
            labels.setdefault(f"{path.stem}_{chain.id}", []).append(int(bound))
    return {name: values for name, values in labels.items() if any(values)}


@pytest.mark.parametrize("rule", ["donor", "biolip"])
@pytest.mark.parametrize("name", ["m.pdb", "m.cif"])
@pytest.mark.parametrize("seed", range(3))
def test_labels_are_those_of_an_explicit_loop_over_another_parser_s_atoms(tmp_path, name, rule, seed) -> None:
    structure, path = random_model(seed), tmp_path / name
    text = structure.make_pdb_string() if name.endswith("pdb") else structure.make_mmcif_document().as_string()
    path.write_text(text)
    for metal in ("ZN", "CA"):
        found = {i: [int(c) for c in labels] for i, (_, labels) in read(path, metal, rule=rule).items()}
        wanted = by_hand(path, metal, rule)
        assert found == wanted
        assert wanted
