"""Chains written in another format and read again are the chains that were written, letter for letter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from e1bind.contracts import ResidueRecord
from e1bind.curation.writing import Cells, fasta3_text, write_chains
from e1bind.errors import UserError
from e1bind.readers.fasta3 import read_fasta3
from e1bind.readers.options import TableOptions
from e1bind.readers.table import TableReader

FORMS = [("t.csv", Cells()), ("t.tsv.gz", Cells("positions", 0)), ("t.parquet", Cells("positions", 1))]
TEXT = '>5a7u_A PDB 5A7U, chain A  ion ZN\nMKHC\n01?1\n>b\nMKHX\n0000\n>c x="1", 2\nCCC\n???\n'


def table(path: Path, cells: Cells) -> TableReader:
    counted = {"values": "positions", "first": cells.first} if cells.values == "positions" else {}
    return TableReader(TableOptions(train=path, **counted))


def there_and_back(path: Path, folder: Path, form: str, cells: Cells) -> str:
    records = read_fasta3(path, "ZN")
    write_chains(folder / form, {"ZN": records}, cells)
    return fasta3_text(table(folder / form, cells).read("ZN", "train"), "ZN")


@pytest.mark.parametrize(("form", "cells"), FORMS)
def test_a_table_gives_the_fasta_it_was_made_of(tmp_path, form, cells) -> None:
    (tmp_path / "a.fasta").write_text(TEXT)
    assert there_and_back(tmp_path / "a.fasta", tmp_path, form, cells) == TEXT


@pytest.mark.parametrize("ion", ["ZN", "CA", "MG", "MN"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_the_published_sets_come_back_byte_for_byte(tmp_path, root, ion, split) -> None:
    path = root.parent / "shared" / "data" / "metal_binding" / f"{ion}_{split}.fasta"
    if not path.is_file():
        pytest.skip("the published sets do not lie beside the checkout")
    for form, cells in FORMS:
        assert there_and_back(path, tmp_path, form, cells).encode() == path.read_bytes()


def chain(name: str, description: str = "", **labels) -> ResidueRecord:
    arrays = {ion: np.array(values, np.int8) for ion, values in labels.items()}
    return ResidueRecord(name, "MKHC", arrays, description=description)


def test_a_table_of_several_ions_leaves_a_cell_empty_where_nothing_is_known(tmp_path) -> None:
    zinc, calcium = [chain("a", ZN=[0, 0, 1, 1])], [chain("b", CA=[1, 0, 0, 0]), chain("a", CA=[0, 1, 0, 0])]
    (written,) = write_chains(tmp_path / "t.csv", {"ZN": zinc, "CA": calcium}, Cells())
    assert (written.chains, list(written.ions)) == (2, ["ZN", "CA"])
    text = (tmp_path / "t.csv").read_text().replace('"', "")
    assert text == "id,sequence,ZN,CA\na,MKHC,0011,0100\nb,MKHC,,1000\n"
    files = write_chains(tmp_path / "{ion}.fasta", {"ZN": zinc, "CA": calcium}, Cells())
    assert [file.path.name for file in files] == ["ZN.fasta", "CA.fasta"]
    assert (tmp_path / "CA.fasta").read_text() == ">b\nMKHC\n1000\n>a\nMKHC\n0100\n"


@pytest.mark.parametrize(
    ("name", "records", "message"),
    [
        ("t.txt", [chain("a", ZN=[0, 0, 1, 1])], "the name says no format"),
        ("t.parquet.gz", [chain("a", ZN=[0, 0, 1, 1])], "the name says no format"),
        ("t.fasta", [chain("a b", ZN=[0, 0, 1, 1])], "a b: the id holds white space"),
        ("t.csv", [chain("=a", ZN=[0, 0, 1, 1])], "for a formula; write .parquet"),
        ("t.csv", [chain("a", "@x", ZN=[0, 0, 1, 1])], "for a formula; write .parquet"),
        ("t.csv", [chain("a ", ZN=[0, 0, 1, 1])], "begins or ends with white space"),
        ("t.fasta", [chain("a", "x\ny", ZN=[0, 0, 1, 1])], "the description is of several lines"),
    ],
)
def test_what_a_format_cannot_hold_is_refused_and_nothing_is_written(tmp_path, name, records, message) -> None:
    with pytest.raises(UserError, match=message):
        write_chains(tmp_path / name, {"ZN": records}, Cells())
    assert not list(tmp_path.iterdir())


def test_two_ions_do_not_go_into_one_fasta(tmp_path) -> None:
    with pytest.raises(UserError, match=r"write \{ion\} in its name"):
        write_chains(
            tmp_path / "t.fasta", {"ZN": [chain("a", ZN=[1] * 4)], "CA": [chain("a", CA=[1] * 4)]}, Cells()
        )
