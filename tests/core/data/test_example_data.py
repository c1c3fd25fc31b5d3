"""The example data in the repository, and the script that works them out."""

from __future__ import annotations

import csv
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from e1bind.data.clusters import read_clusters
from e1bind.data.fold_plan import assign_folds
from e1bind.data.records import merge_ions
from e1bind.readers.fasta3 import read_fasta3

CHAINS = {"ZN": 13, "CA": 2, "MG": 2}


@pytest.fixture(scope="module")
def folder(root: Path) -> Path:
    return root / "examples" / "data"


def test_sample_is_read_and_split_into_leak_free_folds(folder: Path) -> None:
    by_ion = {ion: read_fasta3(folder / f"{ion}_train.fasta", ion) for ion in CHAINS}
    assert {ion: len(records) for ion, records in by_ion.items()} == CHAINS
    assert all(record.positives(ion) >= 2 for ion, records in by_ion.items() for record in records)
    records = merge_ions(by_ion)
    groups = read_clusters(folder / "clusters.tsv", [record.id for record in records])
    plan = assign_folds(records, list(CHAINS), 2, groups, 1)
    assert plan.fold_of["3qy1_A"] == plan.fold_of["3qy1_B"]
    assert all(count.positives for count in plan.counts)


def test_sample_names_entry_chain_ion_and_package(folder: Path) -> None:
    for ion in CHAINS:
        for header in (folder / f"{ion}_train.fasta").read_text().splitlines()[::3]:
            chain, *about = header[1:].split()
            entry, name = chain.split("_")
            assert about[:6] == ["PDB", entry.upper(), "chain", f"{name},", "ion", f"{ion},"]
            assert about[6] == "from"


def test_sample_equals_the_labels_worked_out_before(folder: Path, shared: Path) -> None:
    with (shared / "data" / "pdb_samples" / "pdb_samples.tsv").open() as file:
        known = {row["chain_id"]: row for row in csv.DictReader(file, delimiter="\t") if row["ion"] != "NI"}
    found = {r.id: (ion, r) for ion in CHAINS for r in read_fasta3(folder / f"{ion}_train.fasta", ion)}
    assert found.keys() == known.keys()
    for name, (ion, record) in found.items():
        assert (ion, record.sequence) == (known[name]["ion"], known[name]["sequence"])
        assert "".join(map(str, record.labels[ion])) == known[name]["labels_coord3"]


@pytest.fixture(scope="module")
def script(root: Path) -> ModuleType:
    pytest.importorskip("gemmi", reason="gemmi is needed by scripts/make_sample.py only")
    spec = importlib.util.spec_from_file_location("make_sample", root / "scripts" / "make_sample.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_sample"] = module
    spec.loader.exec_module(module)
    return module


ATOMS = [
    # name, alternative, residue, number, x, element
    ("ATOM", "N", " ", "CYS", 1, 0.0, "N"),
    ("ATOM", "SG", " ", "CYS", 1, 7.1, "S"),  # 2.9 A from the ion
    ("ATOM", "CB", " ", "ALA", 2, 9.0, "C"),  # 1.0 A, but carbon
    ("HETATM", "SE", " ", "MSE", 3, 8.0, "SE"),  # 2.0 A, but selenium
    ("ATOM", "OD1", "A", "ASP", 4, 20.0, "O"),
    ("ATOM", "OD1", "B", "ASP", 4, 9.0, "O"),  # second conformation
    ("ATOM", "O", " ", "GLY", 5, 13.0, "O"),  # 3.0 A, backbone
    ("ATOM", "O", " ", "GLY", 6, 13.1, "O"),  # 3.1 A
]
ION = ("HETATM", "ZN", " ", " ZN", 100, 10.0, "ZN")
TAIL = "  1.00 10.00          "


def test_labels_follow_the_three_angstrom_rule(script: ModuleType) -> None:
    import gemmi

    lines = [
        f"{kind:<6}{i:>5}  {atom:<3}{alt}{residue} A{number:>4}    {x:8.3f}   0.000   0.000{TAIL}{element:>2}"
        for i, (kind, atom, alt, residue, number, x, element) in enumerate([*ATOMS, ION], start=1)
    ]
    structure = gemmi.read_pdb_string("\n".join(lines))
    structure.setup_entities()
    assert script.label_chain(structure, "A", "ZN") == ("CAMDGG", "100010")
    with pytest.raises(ValueError, match="no CA ion"):
        script.label_chain(structure, "A", "CA")


def test_relatives_share_a_cluster(script: ModuleType) -> None:
    source = script.SOURCES[0]
    sequences = {"A": "MKVLATCHEDGFRWYNPQST", "B": "KVLATCHEDGFRWYNPQS", "C": "TSQPNYWRFGDEHCTALVKM"}
    chains = [script.LabelledChain(source, name, text, "0" * len(text)) for name, text in sequences.items()]
    assert script.clusters(chains) == {"7ddo_A": "7ddo_A", "7ddo_B": "7ddo_A", "7ddo_C": "7ddo_C"}
