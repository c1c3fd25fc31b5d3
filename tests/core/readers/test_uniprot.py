"""The reader `uniprot`: tables and flat files, evidence, ligands that may be the ion, sites without a place."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from e1bind.data.labels import text_of_labels
from e1bind.errors import DataError
from e1bind.readers.fasta3 import read_fasta3
from e1bind.readers.options import UniprotOptions
from e1bind.readers.uniprot import UniprotReader, sites_of_text

HEADER = "Entry\tSequence\tBinding site"


def labels(path: Path, ion: str = "ZN", **options) -> dict[str, str]:
    reader = UniprotReader(UniprotOptions(train=path, **options))
    return {record.id: text_of_labels(record.labels[ion]) for record in reader.read(ion, "train")}


def table(path: Path, *rows: str) -> Path:
    path.write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")
    return path


def site(place: object, ligand: str = "Zn(2+)", evidence: str = "ECO:0000269|PubMed:1") -> str:
    return f'BINDING {place}; /ligand="{ligand}"; /ligand_id="ChEBI:CHEBI:29105"; /evidence="{evidence}"'


def flat(name: str, sequence: str, *features: str) -> str:
    lines = [f"ID   {name}_HUMAN              Reviewed;         {len(sequence)} AA.", f"AC   {name};"]
    lines += ["OS   Homo sapiens (Human).", "OX   NCBI_TaxID=9606;", *features]
    rows = [sequence[i : i + 60] for i in range(0, len(sequence), 60)]
    lines.append(f"SQ   SEQUENCE   {len(sequence)} AA;  1 MW;  0000000000000000 CRC64;")
    lines += ["     " + " ".join(row[j : j + 10] for j in range(0, 60, 10)) for row in rows]
    return "\n".join([*lines, "//", ""])


def feature(place: object, ligand: str = "Zn(2+)", evidence: str = "ECO:0000269|PubMed:1") -> list[str]:
    qualifiers = (f'/ligand="{ligand}"', f'/evidence="{evidence}"')
    return [f"FT   BINDING         {place}", *(f"FT                   {text}" for text in qualifiers)]


@pytest.mark.parametrize("ending", [".tsv", ".tsv.gz", ".txt", ".dat.gz"])
def test_real_chains_come_back_from_tables_and_flat_files(tmp_path, root, ending) -> None:
    zinc = read_fasta3(root / "examples" / "data" / "ZN_train.fasta", "ZN")
    places = {r.id: [int(p) + 1 for p in np.flatnonzero(r.labels["ZN"] == 1)] for r in zinc}
    if "tsv" in ending:
        rows = [f"{r.id}\t{r.sequence}\t{'; '.join(site(p) for p in places[r.id])}" for r in zinc]
        text = "\n".join([HEADER, *rows]) + "\n"
    else:
        text = "".join(flat(r.id, r.sequence, *(line for p in places[r.id] for line in feature(p))) for r in zinc)
    path = tmp_path / f"export{ending}"
    path.write_bytes(gzip.compress(text.encode()) if ending.endswith("gz") else text.encode())
    assert labels(path) == {r.id: text_of_labels(r.labels["ZN"]) for r in zinc}


def test_sites_of_one_cell_with_ranges_and_semicolons_in_quotes() -> None:
    cell = f'{site("3..5", "Ca(2+)")}; /note="BINDING 9; not this"; {site(7)}; BINDING ?; /ligand="Mg(2+)"'
    found = sites_of_text(cell)
    assert [(s.places, s.ligand) for s in found] == [((3, 5), "Ca(2+)"), ((7, 7), "Zn(2+)"), (None, "Mg(2+)")]
    assert found[0].evidence == {"ECO:0000269"}


def test_notes_of_older_exports_name_the_ligand(tmp_path) -> None:
    path = tmp_path / "old.tsv"
    cell = 'METAL 4; /note="Zinc 1; catalytic"; METAL 5; /note="Calcium; via carbonyl oxygen"'
    path.write_text(f"Entry\tSequence\tMetal binding\nP1\tMKHC{'A' * 4}\t{cell}\n")
    assert labels(path) == {"P1": "00010000"}
    assert labels(path, "CA") == {"P1": "00001000"}


def test_a_site_of_other_evidence_is_unknown_not_negative(tmp_path) -> None:
    path = table(tmp_path / "t.tsv", f"P1\tMKHCHH\t{site(3)}; {site(4, evidence='ECO:0000250')}")
    assert labels(path) == {"P1": "001100"}
    assert labels(path, evidence=["ECO:0000269"]) == {"P1": "001?00"}


def test_a_ligand_that_may_be_the_ion_is_unknown(tmp_path) -> None:
    path = table(
        tmp_path / "t.tsv", f"P1\tMKHCHH\t{site(3)}; {site(5, 'a divalent metal cation')}; {site(6, 'ATP')}"
    )
    assert labels(path) == {"P1": "0010?0"}


def test_proteins_without_a_site_of_the_ion_or_with_one_without_a_place_are_left_out(tmp_path, caplog) -> None:
    rows = (f"P1\tMKHC\t{site(3)}", f"P2\tMKHC\t{site(3, 'Ca(2+)')}", "P3\tMKHC\t", f"P4\tMKHC\t{site('?')}")
    assert labels(table(tmp_path / "t.tsv", *rows)) == {"P1": "0010"}
    assert "1 proteins have a site of ZN without a place" in caplog.text


def test_a_group_of_ions_is_united(tmp_path) -> None:
    path = table(tmp_path / "t.tsv", f"P1\tMKHC\t{site(3, 'La(3+)')}; {site(4, 'Tb(3+)')}; {site(1)}")
    assert labels(path, "REE") == {"P1": "0011"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Entry\tSequence\nP1\tMKHC\n", "has no column 'Binding site'; choose Entry, Sequence and Binding site"),
        (f"{HEADER}\nP1\tMKHC\t{site(5)}\n", "row 1: P1: a site at 5..5, but 4 residues"),
        (f"{HEADER}\nP1\tMKHC\tzinc at 3\n", "row 1: P1: 'zinc at 3' is no binding site"),
        (f"{HEADER}\nP1\tMKHC\tBINDING 3; /liga\n", "has no /ligand and no /note; was the cell cut?"),
        (f"{HEADER}\nP1\tMK*C\t{site(3)}\n", "letter '*' in the sequence"),
        (f"{HEADER}\nP1\tMKHC\t{site(3)}\nP1\tMKHC\t{site(4)}\n", "already read from row 1 with other labels"),
        (f"{HEADER}\nP1\tMKHC\t{site(3, 'Ca(2+)')}\n", "no protein has a binding site of ZN"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, text, message) -> None:
    path = tmp_path / "t.tsv"
    path.write_text(text)
    with pytest.raises(DataError) as told:
        labels(path)
    assert message in str(told.value)


def test_a_file_that_is_no_export_is_refused(tmp_path) -> None:
    path = tmp_path / "t.txt"
    path.write_text("P1 MKHC zinc at 3\n")
    with pytest.raises(DataError, match="no line begins with ID; tables end in"):
        labels(path)
