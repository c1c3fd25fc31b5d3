from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from e1bind.contracts import ResidueRecord
from e1bind.data.records import merge_ions
from e1bind.errors import DataError


def record(name: str, sequence: str, ion: str, labels: str, source: str = "") -> ResidueRecord:
    return ResidueRecord(name, sequence, {ion: np.array(list(labels), dtype=np.int8)}, source=source)


def test_a_chain_keeps_the_labels_of_every_ion_and_stays_unknown_for_the_rest() -> None:
    zinc = [record("a", "MKV", "ZN", "001"), record("b", "MKC", "ZN", "100")]
    calcium = [record("c", "MKV", "CA", "010"), record("a", "MKV", "CA", "000")]
    merged = merge_ions({"ZN": zinc, "CA": calcium})
    assert [r.id for r in merged] == ["a", "b", "c"]
    assert {r.id: sorted(r.labels) for r in merged} == {"a": ["CA", "ZN"], "b": ["ZN"], "c": ["CA"]}
    assert merged[0].labels["ZN"].tolist() == [0, 0, 1]
    assert merged[0].labels["CA"].tolist() == [0, 0, 0]


def test_one_id_with_two_sequences_is_refused_and_all_are_told() -> None:
    zinc = [record("a", "MKV", "ZN", "001", "z:1"), record("b", "MKV", "ZN", "001", "z:4")]
    calcium = [record("a", "MKC", "CA", "001", "c:1"), record("b", "MK", "CA", "01", "c:4")]
    with pytest.raises(DataError) as caught:
        merge_ions({"ZN": zinc, "CA": calcium})
    assert all(place in str(caught.value) for place in ("z:1", "c:1", "z:4", "c:4"))


def test_one_ion_labelled_twice_is_refused() -> None:
    with pytest.raises(DataError, match="labelled twice for ZN"):
        merge_ions({"ZN": [record("a", "MK", "ZN", "01"), record("a", "MK", "ZN", "00")]})


def test_ids_that_cannot_be_kept_are_refused_whichever_reader_gives_them() -> None:
    strange: list[Any] = ["a\0", "b\x1b[2J", "", "line\nbreak", "\ud800", "x" * 1001, 7, None]
    records = [record("good", "MK", "ZN", "01"), *(record(name, "MK", "ZN", "01") for name in strange)]
    records[1] = record("a\0", "MK", "ZN", "01", "table.csv:3")
    with pytest.raises(DataError) as caught:
        merge_ions({"ZN": records})
    message = str(caught.value)
    assert "records for ZN whose ids cannot be used" in message
    assert r"table.csv:3: the id 'a\\x00' holds the control character '\x00' (character 2)" in message
    assert "record 8: the id '7' is no string but int" in message
    assert len(message.splitlines()) == 1 + len(strange)
    assert message.replace("\n", "").isprintable()
