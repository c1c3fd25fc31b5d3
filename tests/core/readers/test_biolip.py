"""The reader `biolip`: sites of a chain united, ions by their codes, and lines that cannot be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from e1bind.data.labels import text_of_labels
from e1bind.errors import DataError
from e1bind.readers.biolip import BiolipReader
from e1bind.readers.fasta3 import read_fasta3
from e1bind.readers.options import BiolipOptions


def line(pdb: str, chain: str, ligand: str, residues: str, sequence: str, resolution: str = "2.0") -> str:
    cells = [pdb, chain, resolution, "BS01", ligand, "A", "1", "", residues, *[""] * 11, sequence]
    return "\t".join(cells) + "\n"


GOOD = line("1abc", "A", "ZN", "H3", "MKHC")


def labels(path: Path, *lines: str, ion: str = "ZN", **options) -> dict[str, str]:
    if lines:
        path.write_text("".join(lines))
    reader = BiolipReader(BiolipOptions(train=path, **options))
    return {record.id: text_of_labels(record.labels[ion]) for record in reader.read(ion, "train")}


def test_real_chains_come_back_one_line_for_each_site(tmp_path, root) -> None:
    zinc = read_fasta3(root / "examples" / "data" / "ZN_train.fasta", "ZN")
    lines = []
    for record in zinc:
        pdb, _, chain = record.id.partition("_")
        places = [f"{record.sequence[p]}{p + 1}" for p in np.flatnonzero(record.labels["ZN"] == 1)]
        lines += [line(pdb, chain, "ZN", " ".join(half), record.sequence) for half in (places[::2], places[1::2])]
    assert labels(tmp_path / "b.txt", *lines) == {r.id: text_of_labels(r.labels["ZN"]) for r in zinc}


def test_a_chain_without_a_site_of_the_ion_is_unknown_for_it(tmp_path) -> None:
    lines = (line("1ABC", "A", "ZN", "H3 C4", "MKHC"), line("1abc", "a", "CA", "M1", "MKHC"))
    assert labels(tmp_path / "b.txt", *lines) == {"1abc_A": "0011"}
    assert labels(tmp_path / "b.txt", *lines, ion="calcium") == {"1abc_a": "1000"}


def test_codes_of_one_element_are_one_ion_and_a_code_is_itself(tmp_path) -> None:
    lines = (line("1abc", "A", "FE", "H3", "MKHC"), line("1abc", "A", "FE2", "C4", "MKHC"))
    assert labels(tmp_path / "b.txt", *lines, ion="FE") == {"1abc_A": "0011"}
    assert labels(tmp_path / "b.txt", *lines, ion="FE2") == {"1abc_A": "0001"}
    assert labels(tmp_path / "b.txt", line("1abc", "A", "SF4", "C4", "MKHC"), ion="SF4") == {"1abc_A": "0001"}


def test_poor_structures_and_those_without_a_resolution_can_be_left_out(tmp_path) -> None:
    resolutions = {"1abc": "1.9", "2abc": "3.5", "3abc": "-1.00"}
    lines = [line(pdb, "A", "ZN", "H3", "MKHC", resolution) for pdb, resolution in resolutions.items()]
    assert set(labels(tmp_path / "b.txt", *lines)) == {"1abc_A", "2abc_A", "3abc_A"}
    assert set(labels(tmp_path / "b.txt", *lines, max_resolution=3.0)) == {"1abc_A"}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["1abc\tA\tZN\n"], "line 1: 3 columns; a line of BioLiP has 21"),
        ([line("1abc", "A", "ZN", "H4", "MKHC")], "line 1: 1abc_A: 'H4': residue 4 is C"),
        ([GOOD, line("1abc", "A", "ZN", "C4", "MKHCA")], "another sequence than in line 1"),
        ([line("1abc", "A", "ZN", "", "MKHC")], "line 1: 1abc_A: a site without residues"),
        ([line("1abc", "A", "CA", "H3", "MKHC")], "holds no site of ZN"),
        ([line("1abc", "A", "ZN", "H3", "MKHU")], 'unknown_residues = "to-x"'),
    ],
)
def test_what_cannot_be_is_refused_with_its_line(tmp_path, lines, message) -> None:
    with pytest.raises(DataError) as told:
        labels(tmp_path / "b.txt", *lines)
    assert message in str(told.value)
