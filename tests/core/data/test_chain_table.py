"""Chains in columns are what the records were: one by one, joined, counted, folded, and mapped from files."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from e1bind.contracts import ResidueRecord
from e1bind.curation.statistics import statistics
from e1bind.data import packed_strings
from e1bind.data.chain_table import ChainTable
from e1bind.data.clusters import read_clusters
from e1bind.data.columns import along, by_id, chains_of, counts_of, ids_of, known_for, lengths_of, picked
from e1bind.data.fold_plan import assign_folds
from e1bind.data.packed_clusters import clusters_of
from e1bind.data.packed_strings import PackedStrings
from e1bind.data.packing import packed
from e1bind.data.records import _merged, merge_ions
from e1bind.data.table_files import mapped_table, write_table
from e1bind.errors import DataError
from e1bind.readers.fasta3 import read_fasta3

IONS = ("ZN", "CA", "MG")


def content(records) -> list[tuple]:
    return [
        (r.id, r.sequence, {i: v.tolist() for i, v in r.labels.items()}, r.msa, r.source, r.description)
        for r in records
    ]


@pytest.fixture(scope="module")
def by_ion(root: Path):
    """Real chains of three ions, as a reader of lists gives them."""
    return {ion: read_fasta3(root / "examples" / "data" / f"{ion}_train.fasta", ion) for ion in IONS}


@pytest.fixture(scope="module")
def listed(by_ion) -> list[ResidueRecord]:
    return _merged(by_ion.values())


@pytest.fixture(scope="module")
def table(by_ion) -> ChainTable:
    merged = merge_ions(by_ion)
    assert isinstance(merged, ChainTable)
    return merged


def test_real_chains_come_out_of_a_table_as_they_went_in(listed, table) -> None:
    assert content(table) == content(listed)
    assert content(table[3:9:2]) == content(listed[3:9:2])
    assert content([table[-1]]) == content(listed[-1:])
    assert [len(part) for part in (table, table[:0], table[2:])] == [len(listed), 0, len(listed) - 2]


def test_what_is_asked_of_many_records_is_the_same_of_a_table(listed, table) -> None:
    assert ids_of(table) == ids_of(listed)
    assert lengths_of(table).tolist() == lengths_of(listed).tolist()
    assert content(by_id(table)) == content(by_id(listed))
    assert content(picked(table, np.array([5, 2]))) == content([listed[5], listed[2]])
    for ion in (*IONS, "XX"):
        assert content(known_for(table, ion)) == content(known_for(listed, ion))
        assert content(chains_of(table[1:], ion)) == content(chains_of(listed[1:], ion))
        for part in (slice(None), slice(4, None, 3)):
            assert [c.tolist() for c in counts_of(table[part], ion)] == [
                c.tolist() for c in counts_of(listed[part], ion)
            ]
    for part in (slice(None), slice(2, 20, 2)):
        assert statistics(table[part], IONS).as_json() == statistics(listed[part], IONS).as_json()


def test_folds_and_groups_of_a_table_are_those_of_its_records(listed, table, root: Path) -> None:
    clusters = root / "examples" / "data" / "clusters.tsv"
    for groups, own in ((None, None), (read_clusters(clusters, ids_of(listed)), clusters_of(clusters, table))):
        plain, plan = assign_folds(listed, IONS, 2, groups, 1), assign_folds(table, IONS, 2, own, 1)
        assert plan == replace(plain, fold_of=plan.fold_of, group_of=plan.group_of)
        assert dict(plan.fold_of) == plain.fold_of
        assert dict(plan.group_of) == plain.group_of
        assert along(table[::2], plan.fold_of).tolist() == [plain.fold_of[r.id] for r in listed[::2]]
        for one, other in zip(plan.split(table, 2), plain.split(listed, 2), strict=True):
            assert content(one) == content(other)
        assert "nobody" not in plan.fold_of


@pytest.mark.parametrize(
    "text",
    [
        "a\tx\nb\tx\nc\ty\n",
        "chain\tcluster\r\na\tx\tmore\r\nb\ty\r\nc\tx",
        "x\ta\nx\tb\nc\tc\n",  # representative, member
        "a\ta\nb\tb\nc\tc\n",
        "a\ta\na\tb\nc\tc\n",
        "# said\na x\nb x\n\nc y\n",
        "a\tx\na\ty\nb\tx\nc\tx\n",
        "a\tx\nb\tx\n",
        "a\tb\nb\tc\nc\ta\n",
        "a\tb\nb\ta\nc\tc\nb\tb\na\ta\n",
        "a\nb\tx\n",
        "",
    ],
)
def test_clusters_of_a_table_are_those_that_are_read_line_by_line(tmp_path, text) -> None:
    path = tmp_path / "clusters.tsv"
    path.write_bytes(text.encode())
    records = [ResidueRecord(name, "MK" + name.upper(), {"ZN": np.zeros(3, np.int8)}) for name in "abc"]

    def told(of) -> object:
        try:
            found = clusters_of(path, of)
        except DataError as error:
            return str(error)
        return [[found[a] == found[b] for a in "abc"] for b in "abc"]

    assert told(packed(records)) == told(records)


@st.composite
def records_of(draw, ion: str) -> list[ResidueRecord]:
    found = []
    for name in draw(st.lists(st.sampled_from("abcd"), max_size=5)):
        sequence = draw(st.sampled_from(["MKHC", "MKHC", "MKHC", "MK"]))
        ions = draw(st.sampled_from([[ion], [ion], [ion, "FE"]]))
        labels = {i: np.array([draw(st.sampled_from([0, 1, -1]))] * len(sequence), np.int8) for i in ions}
        msa = draw(st.sampled_from([None, None, Path("msa") / f"{name}.a3m"]))
        source = draw(st.sampled_from(["f:7", "f:07", "g", "12", "", f"{ion} row 3"]))
        found.append(ResidueRecord(name, sequence, labels, msa, source, draw(st.sampled_from(["", "said"]))))
    return found


@given(zinc=records_of("ZN"), calcium=records_of("CA"), more=records_of("ZN"))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_tables_are_joined_as_records_are(zinc, calcium, more) -> None:
    def told(join) -> object:
        try:
            return content(join())
        except DataError as error:
            return str(error)

    parts = {"ZN": zinc, "CA": calcium, "again": more}
    assert told(lambda: merge_ions(parts)) == told(lambda: _merged(parts.values()))


def test_records_of_a_class_of_their_own_stay_as_they_are() -> None:
    @dataclass(frozen=True, eq=False)
    class Own(ResidueRecord):
        more: str = ""

    given = Own("a", "MK", {"ZN": np.zeros(2, np.int8)}, more="said")
    assert merge_ions({"ZN": [given]}) == [given]


def test_processes_map_one_table_and_pickle_none_of_it(table, tmp_path) -> None:
    write_table(table[2:], tmp_path)
    mapped = mapped_table(tmp_path)
    assert content(mapped) == content(table[2:])
    sent = pickle.dumps(mapped[1:3])
    assert len(sent) < 1000
    assert content(pickle.loads(sent)) == content(table[3:5])  # noqa: S301
    assert content(pickle.loads(pickle.dumps(table[1:3]))) == content(table[1:3])  # noqa: S301


def test_equal_strings_are_found_also_where_hashes_do_not_tell_them_apart(monkeypatch) -> None:
    texts = ["a", "bb", "a", "", "c", "bb", "", "a"]
    wanted = [texts.index(text) for text in texts]
    assert PackedStrings.of(texts).first_equal().tolist() == wanted
    monkeypatch.setattr(packed_strings, "hash", len, raising=False)
    assert PackedStrings.of(texts).first_equal().tolist() == wanted


def test_columns_that_contradict_each_other_are_no_table(table) -> None:
    columns = table.columns
    zinc = columns.labels["ZN"]
    for labels in (replace(zinc, values=zinc.values[1:]), replace(zinc, values=zinc.values + np.int8(2))):
        with pytest.raises(ValueError, match="labels of ZN"):
            replace(columns, labels={"ZN": labels})
    with pytest.raises(ValueError, match="equally long"):
        replace(columns, ids=PackedStrings.of(["a"]))
