"""Tables that are read a stretch of rows at a time say what reading cell by cell says, of problems too."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from e1bind.contracts import ResidueRecord
from e1bind.data.chain_table import ChainTable
from e1bind.data.ids import shown_id
from e1bind.data.labels import text_of_labels, united
from e1bind.data.letters import read_letters
from e1bind.data.text import FileProblems
from e1bind.errors import DataError
from e1bind.files.text import one_line
from e1bind.readers import arrow
from e1bind.readers.options import TableOptions
from e1bind.readers.sources import Chains, chain_faults
from e1bind.readers.table import TableReader


def one_by_one(path: Path, reader: TableReader, table: dict, ion: str, columns: list[str]) -> list[ResidueRecord]:
    """The twin: each row on its own, as Python values."""
    chains = Chains(FileProblems(path, unit="row"))
    said = table.get("description", [""] * len(table["id"]))
    rows = zip(table["id"], table["sequence"], said, *(table[name] for name in columns), strict=True)
    for number, (name, text, description, *cells) in enumerate(rows, start=1):
        known = [cell for cell in cells if cell is not None and cell != "" and not str(cell).isspace()]
        if not known:
            continue
        name = str(name).strip() if isinstance(name, str | int) else name
        sequence = read_letters("".join(str(text or "").split()), reader.rare_to_x)
        found = list(chain_faults("" if name is None else name, sequence))
        try:
            labels = [reader._read_cell(cell, sequence) for cell in known] if not found else []
        except ValueError as error:
            found.append(str(error))
        for fault in found:
            chains.problems.add(number, f"{shown_id(name)}: {fault}")
        if not found:
            source, description = f"{path} row {number}", one_line(str(description or "")).strip()
            record = ResidueRecord(name, sequence, {ion: united(labels)}, source=source, description=description)
            chains.add(record, number)
    records = chains.all()
    if not records:
        raise DataError(f"{path}: no chain has labels of {ion}, in the column {', '.join(columns)}")
    return records


def told(work, caplog) -> object:
    """What a reading gives: its records in plain values, or its error; and what it warned of."""
    caplog.clear()
    try:
        found: object = [
            (
                r.id,
                r.sequence,
                {ion: text_of_labels(labels) for ion, labels in r.labels.items()},
                r.source,
                r.description,
            )
            for r in work()
        ]
    except DataError as error:
        found = str(error)
    return found, [record.getMessage() for record in caplog.records]


IDS = st.sampled_from(["a", "b", "c", " d ", "é", "", None, "e\x01", "f g", "h" * 1001])
SEQUENCES = st.sampled_from(
    [
        "MKHC",
        "mkhc",
        "MKHCMKHC",
        "MK HC",
        "MKUC",
        "M*",
        "",
        None,
        "ACGTACGTACGTACGTACGTACGT",
        "HHHHEEEECCCCHHHH",
        "é",
    ]
)
LABELS = st.sampled_from(
    ["0011", "01?1", "0000", "00110011", "0 0 1 1", "001", "0021", "", " ", None, "3 4", "é", "?"]
)
PLACES = st.sampled_from(
    [
        *["3", "3 4", "H3,c4", "?1 4", "[3, 4]", "[]", "( 3 )", "3 ?3", "9", "0", "M3", "3-4", "", "  ", None],
        *[",", "'3'", "003", "[3", "3]", "[[3]]", "?", "H", "3 3", "12345678901234567890", "?H3", "H?3"],
    ]
)
SETTINGS = settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


def rows(cells: st.SearchStrategy) -> st.SearchStrategy:
    """Some rows: id, sequence and the cells of two columns."""
    return st.lists(st.tuples(IDS, SEQUENCES, cells, cells), min_size=1, max_size=9)


def both(path: Path, options: dict, given_rows: list, caplog, monkeypatch) -> None:
    monkeypatch.setattr(arrow, "ROWS", 2)
    names = ("id", "sequence", "ZN", "LA", "EU")
    table = {name: [] for name in names}
    for name, sequence, one, other in given_rows:
        for column, cell in zip(names, (name, sequence, one, one, other), strict=True):
            table[column].append(cell)
    types = {"id": pa.string(), "sequence": pa.string()}
    parquet.write_table(pa.table({n: pa.array(c, types.get(n, pa.string())) for n, c in table.items()}), path)
    reader = TableReader(TableOptions(train=path, **options))
    with caplog.at_level(logging.WARNING):
        for ion, columns in (("ZN", ["ZN"]), ("REE", ["LA", "EU"])):
            plain = told(lambda ion=ion, columns=columns: one_by_one(path, reader, table, ion, columns), caplog)
            assert told(lambda ion=ion: reader.read(ion, "train"), caplog) == plain


@given(given_rows=rows(LABELS), rare=st.sampled_from(["error", "to-x"]))
@SETTINGS
def test_labels_of_stretches_are_those_of_single_cells(tmp_path, caplog, monkeypatch, given_rows, rare) -> None:
    both(tmp_path / "t.parquet", {"unknown_residues": rare}, given_rows, caplog, monkeypatch)


@given(given_rows=rows(PLACES), first=st.sampled_from([0, 1]))
@SETTINGS
def test_positions_of_stretches_are_those_of_single_cells(tmp_path, caplog, monkeypatch, given_rows, first) -> None:
    both(tmp_path / "t.parquet", {"values": "positions", "first": first}, given_rows, caplog, monkeypatch)


@pytest.mark.parametrize(
    "cells",
    [
        pa.array([[3, 4], [], None, [9]], pa.list_(pa.int32())),
        pa.array([[3], [4], [1, 2], [3, None]], pa.large_list(pa.int64())),
        pa.array([3, None, 4, 1], pa.int16()),
        pa.array([3.0, None, 4.0, 1.5]),
        pa.array([["H3"], ["C4", "?1"], [], None]),
        pa.array(["3 4", "[]", None, "3"], pa.large_string()),
        pa.array(["3 4", "[]", None, "3"]).dictionary_encode(),
    ],
    ids=str,
)
def test_places_of_every_type_of_parquet_are_read_alike(tmp_path, caplog, cells) -> None:
    path = tmp_path / "t.parquet"
    table = {"id": pa.array([1, 2, 3, 4]), "sequence": pa.array(["MKHC"] * 4), "ZN": cells}
    parquet.write_table(pa.table(table), path)
    reader = TableReader(TableOptions(train=path, values="positions", first=1))
    values = {name: column.to_pylist() for name, column in table.items()}
    plain = told(lambda: one_by_one(path, reader, values, "ZN", ["ZN"]), caplog)
    assert told(lambda: reader.read("ZN", "train"), caplog) == plain


def test_ions_of_one_file_share_its_sequences_and_a_changed_file_is_read_anew(tmp_path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id,sequence,ZN,CA,description\na,MKHC,0011,,one\nb,MKHC,0000,1000,\n")
    reader = TableReader(TableOptions(train=path))
    zinc, calcium = reader.read("ZN", "train"), reader.read("CA", "train")
    assert isinstance(zinc, ChainTable)
    assert isinstance(calcium, ChainTable)
    assert zinc.columns.sequences is calcium.columns.sequences
    assert [r.description for r in zinc] == ["one", ""]
    path.write_text("id,sequence,ZN,CA\na,MKHC,0011,0100\n")
    assert [r.id for r in reader.read("CA", "train")] == ["a"]


def test_a_chain_may_have_a_row_for_each_ion(tmp_path) -> None:
    from e1bind.data.records import merge_ions

    path = tmp_path / "t.csv"
    path.write_text("id,sequence,ZN,CA\na,MKHC,0011,\nb,MK,,01\na,MKHC,,1000\nb,MK,10,\n")
    reader = TableReader(TableOptions(train=path))
    merged = merge_ions({ion: reader.read(ion, "train") for ion in ("ZN", "CA")})
    found = {r.id: {ion: labels.tolist() for ion, labels in r.labels.items()} for r in merged}
    assert found == {"a": {"ZN": [0, 0, 1, 1], "CA": [1, 0, 0, 0]}, "b": {"ZN": [1, 0], "CA": [0, 1]}}
    path.write_text("id,sequence,ZN,CA\na,MKHC,0011,\na,MKH,,100\n")
    with pytest.raises(DataError, match="not the same sequence"):
        merge_ions({ion: reader.read(ion, "train") for ion in ("ZN", "CA")})


def test_labels_of_a_table_cannot_be_written_to(tmp_path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id,sequence,ZN\na,MKHC,0011\n")
    (record,) = TableReader(TableOptions(train=path)).read("ZN", "train")
    with pytest.raises(ValueError, match="read-only"):
        record.labels["ZN"][0] = np.int8(1)
