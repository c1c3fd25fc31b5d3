"""The reader `table`: real chains as CSV, TSV and Parquet, the two ways to write labels, and what is refused."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from e1bind.data.labels import text_of_labels
from e1bind.errors import DataError
from e1bind.readers.fasta3 import read_fasta3
from e1bind.readers.options import TableOptions
from e1bind.readers.table import TableReader


def reader(path: Path, **options) -> TableReader:
    return TableReader(TableOptions(train=path, **options))


def content(records) -> list[tuple[str, str, str]]:
    return [(r.id, r.sequence, text_of_labels(r.labels["ZN"])) for r in records]


@pytest.fixture(scope="module")
def zinc(root: Path):
    """Real chains."""
    return read_fasta3(root / "examples" / "data" / "ZN_train.fasta", "ZN")


def columns(records, first: int | None) -> dict[str, list]:
    """The chains as columns; `first`: positions counted from there, in place of labels."""
    labels = [r.labels["ZN"] for r in records]
    cells = (
        [text_of_labels(row) for row in labels]
        if first is None
        else [[int(place) + first for place in np.flatnonzero(row == 1)] for row in labels]
    )
    return {"id": [r.id for r in records], "sequence": [r.sequence for r in records], "ZN": cells}


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".csv.gz", ".parquet"])
@pytest.mark.parametrize("first", [None, 0, 1])
def test_real_chains_come_back_as_fasta3_gives_them(tmp_path, zinc, ending, first) -> None:
    path, table = tmp_path / f"chains{ending}", columns(zinc, first)
    if ending == ".parquet":
        parquet.write_table(pa.table(table), path)
    else:
        mark = "\t" if "tsv" in ending else ","
        cells = [f'"{cell}"' if isinstance(cell, list) else cell for cell in table["ZN"]]
        lines = [mark.join(row) for row in zip(table["id"], table["sequence"], cells, strict=True)]
        text = "\n".join([mark.join(table), *lines]) + "\n"
        path.write_bytes(gzip.compress(text.encode()) if ending.endswith("gz") else text.encode())
    options = {} if first is None else {"values": "positions", "first": first}
    assert content(reader(path, **options).read("ZN", "train")) == content(zinc)


def write(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_an_empty_cell_is_unknown_and_said_absence_is_not(tmp_path) -> None:
    rows = ("a,MKHC,3 4,", "b,MKHC,[],1", "c,MKHC, ,[]", "d,MKHC,,2")
    table = reader(write(tmp_path / "t.csv", "id,sequence,ZN,CA", *rows), values="positions", first=1)
    zinc = [(name, labels) for name, _, labels in content(table.read("ZN", "train"))]
    assert zinc == [("a", "0011"), ("b", "0000")]
    assert [r.id for r in table.read("CA", "train")] == ["b", "c", "d"]


def test_single_residues_can_be_unknown_in_both_ways_of_writing(tmp_path) -> None:
    labels = write(tmp_path / "l.csv", "id,sequence,ZN", "a,MKHC,?011")
    places = write(tmp_path / "p.csv", "id,sequence,ZN", "a,MKHC,H3 C4 ?M1")
    wanted = [("a", "MKHC", "?011")]
    assert content(reader(labels).read("ZN", "train")) == wanted
    assert content(reader(places, values="positions", first=1).read("ZN", "train")) == wanted


def test_columns_are_found_by_any_name_of_the_ion_and_a_group_unites_its_ions(tmp_path) -> None:
    path = write(
        tmp_path / "t.csv",
        "id,sequence,Zn(2+),La(3+),EU3",
        "a,MKHC,0011,1000,0100",
        "b,MKHC,,,?000",
        "c,MKHC,0000,,",
    )
    table = reader(path)
    assert content(table.read("ZN", "train")) == [("a", "MKHC", "0011"), ("c", "MKHC", "0000")]
    ree = table.read("REE", "train")
    assert [(r.id, text_of_labels(r.labels["REE"])) for r in ree] == [("a", "1100"), ("b", "?000")]


def test_a_column_can_have_any_name_that_says_the_ion(tmp_path) -> None:
    path = write(tmp_path / "t.tsv", "chain\tseq\tbinds_zinc", "a\tmkhc\t0011")
    table = reader(path, id="chain", sequence="seq", column="binds_{ion}")
    assert content(table.read("ZN", "train")) == [("a", "MKHC", "0011")]


def test_numbers_as_ids_and_a_byte_order_mark_are_text(tmp_path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("\ufeffid,sequence,ZN\r\n007,MKHC,0011\r\n".encode())
    assert content(reader(path).read("ZN", "train")) == [("007", "MKHC", "0011")]


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (["id,sequence,CA", "a,MKHC,0011"], {}, "has no column 'ZN', which data.table.column names"),
        (["name,sequence,ZN", "a,MKHC,0011"], {}, "has no column 'id', which data.table.id names"),
        (["id,sequence,ZN,ZN", "a,MKHC,0011,0011"], {}, "more than one column called 'ZN'"),
        (["id,sequence,ZN", "a,MKHC,001"], {}, "row 1: a: 4 residues but 3 labels"),
        (["id,sequence,ZN", "a,MKHC,3 4"], {}, 'positions are read with values = "positions"'),
        (["id,sequence,ZN", "a,MK*C,0011"], {}, "letter '*' in the sequence (first at residue 3)"),
        (["id,sequence,ZN", ",MKHC,0011"], {}, "the id is empty"),
        (["id,sequence,ZN", "a,,0011"], {}, "no sequence"),
        (
            ["id,sequence,ZN", "a,MKHC,0011", "a,MKHC,0010"],
            {},
            "row 2: a: already read from row 1 with other",
        ),
        (["id,sequence,ZN", "a,MKHC,"], {}, "no chain has labels of ZN"),
        (["id,sequence,ZN", "a,MKHC,0011,9"], {}, "is no table of the kind its name says"),
        (["id,sequence,ZN", "a,MKHC,5"], {"first": 1}, "'5': the chain's residues are 1 to 4"),
        (["id,sequence,ZN", "a,MKHC,0"], {"first": 1}, "is `first` right?"),
        (["id,sequence,ZN", "a,MKHC,H4"], {"first": 1}, "'H4': residue 4 is C; is `first` right?"),
        (["id,sequence,ZN", "a,MKHC,3-4"], {"first": 1}, "'3-4' is no residue"),
        (["id,sequence,ZN", "a,MKHC,-"], {"first": 1}, "'-' is no residue; write 12 or C12, [] where none binds"),
        (["id,sequence,ZN", "a,MKHC,None"], {"first": 1}, "nothing where nothing is known"),
        (["id,sequence,ZN", "a,MKHC,3 ?3"], {"first": 1}, "residue 3 is said to bind and to be unknown"),
    ],
)
def test_what_cannot_be_is_refused_with_its_row(tmp_path, rows, options, message) -> None:
    path = write(tmp_path / "t.csv", *rows)
    options = options and {"values": "positions", **options}
    with pytest.raises(DataError) as told:
        reader(path, **options).read("ZN", "train")
    assert message in str(told.value)
    assert str(path) in str(told.value)


def test_a_name_that_says_no_table_is_refused(tmp_path) -> None:
    path = write(tmp_path / "t.xlsx", "id,sequence,ZN", "a,MKHC,0011")
    with pytest.raises(DataError, match=r"ends in .csv, .tsv or .parquet"):
        reader(path).read("ZN", "train")


def test_positions_say_what_they_are_counted_from() -> None:
    with pytest.raises(ValueError, match="needs first = 0 or 1"):
        TableOptions(train=Path("t.csv"), values="positions")
    with pytest.raises(ValueError, match="labels need none"):
        TableOptions(train=Path("t.csv"), first=1)


def test_all_problems_of_a_table_are_told_at_once(tmp_path) -> None:
    path = write(tmp_path / "t.csv", "id,sequence,ZN", "a,MKHC,001", "b,MKHC,0011", "c,MZHC,0011")
    with pytest.raises(DataError, match="has 2 problems") as told:
        reader(path).read("ZN", "train")
    assert 'unknown_residues = "to-x"' in str(told.value)


def test_nucleotides_in_a_table_are_told(tmp_path, caplog) -> None:
    path = write(tmp_path / "t.csv", "id,sequence,ZN", f"a,{'ACGTACGTAC' * 3},{'0' * 30}")
    reader(path).read("ZN", "train")
    assert "row 1: a looks like no protein but like nucleotides" in caplog.text
