"""Out-of-fold tables: every residue once, the same bytes for the same table, nothing pickled."""

from __future__ import annotations

import numpy as np
import pytest

from e1bind.contracts import ResidueRecord
from e1bind.errors import RunError
from e1bind.runs import coded_table
from e1bind.runs.coded_table import CodedTable
from e1bind.runs.oof_table import oof_table, read_oof, rows_of, scores_of, write_oof


def record(name, labels):
    return ResidueRecord(name, "ACDEFGHIKL"[: len(labels)], {"ZN": np.array(labels, dtype=np.int8)})


RECORDS = [record("b", [0, 1, -1]), record("a", [1, 0]), record("c", [0, 0, 1, 0])]
FOLD_OF = {"a": 2, "b": 1, "c": 1}
SCORES = {
    "ZN": {
        1: {"b": np.float32([-1, 2, 0.5]), "c": np.float32([-3, -2, 4, 0])},
        2: {"a": np.float32([1.5, -0.25])},
    }
}


def test_rows_stand_by_fold_chain_and_residue():
    table = oof_table(RECORDS, FOLD_OF, SCORES)
    assert table["protein"].tolist() == ["b"] * 3 + ["c"] * 4 + ["a"] * 2
    assert table["residue_index"].tolist() == [0, 1, 2, 0, 1, 2, 3, 0, 1]
    assert "".join(table["amino_acid"]) == "ACDACDEAC"
    assert table["label"].tolist() == [0, 1, -1, 0, 0, 1, 0, 1, 0]
    assert table["probability"] == pytest.approx(1 / (1 + np.exp(-table["score"].astype(float))), rel=1e-6)
    kinds = {name: column.dtype.kind + str(column.dtype.itemsize) for name, column in table.items()}
    expected = {"residue_index": "i4", "fold": "i2", "label": "i1", "score": "f4", "probability": "f4"}
    assert {name: kinds[name] for name in expected} == expected


def test_unknown_labels_are_stored_but_not_measured():
    inputs = rows_of(oof_table(RECORDS, FOLD_OF, SCORES), "ZN")
    assert inputs.labels.tolist() == [0, 1, 0, 0, 1, 0, 1, 0]
    assert len(np.unique(inputs.protein)) == 3
    assert rows_of(oof_table(RECORDS, FOLD_OF, SCORES), "ZN", fold=2).labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    "scores",
    [
        {1: SCORES["ZN"][1]},
        {1: {**SCORES["ZN"][1], "a": np.float32([0, 0])}, 2: SCORES["ZN"][2]},
        {1: {**SCORES["ZN"][1], "a": np.float32([0, 0])}},
    ],
    ids=["no fold", "two folds", "the wrong fold"],
)
def test_a_chain_that_is_not_scored_exactly_once_by_its_fold_is_refused(scores):
    with pytest.raises(RunError, match="a \\(ZN\\) belongs to fold 2 but was scored in folds"):
        oof_table(RECORDS, FOLD_OF, {"ZN": scores})


def test_it_survives_the_disk_byte_for_byte_and_holds_no_object(tmp_path):
    table = oof_table(RECORDS, FOLD_OF, SCORES)
    write_oof(tmp_path / "one.npz", table)
    write_oof(tmp_path / "two.npz", oof_table(RECORDS, FOLD_OF, SCORES))
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    back = read_oof(tmp_path / "one.npz")
    assert all(np.array_equal(back[name], table[name]) and back[name].dtype != object for name in table)


def test_scores_come_back_by_chain(tmp_path):
    table = oof_table(RECORDS, FOLD_OF, SCORES)
    back = scores_of(table)["ZN"]
    expected = {**SCORES["ZN"][1], **SCORES["ZN"][2]}
    assert set(back) == set(expected)
    assert all(np.array_equal(back[chain], expected[chain]) for chain in expected)


def test_texts_are_numbers_in_memory_and_the_file_is_numpy_s_own(tmp_path):
    table = oof_table(RECORDS, FOLD_OF, SCORES)
    assert isinstance(table, CodedTable)
    assert table.texts["protein"].code_N.dtype == np.uint8
    write_oof(tmp_path / "one.npz", table)
    np.savez_compressed(tmp_path / "two.npz", **table)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


def test_rows_in_any_order_and_in_many_pieces_come_back(tmp_path, monkeypatch):
    monkeypatch.setattr(coded_table, "_ROWS", 4)
    table = oof_table(RECORDS, FOLD_OF, SCORES)
    order = np.random.default_rng(0).permutation(len(table["label"]))
    plain = {name: column[order] for name, column in table.items()}
    write_oof(tmp_path / "one.npz", plain)
    back = read_oof(tmp_path / "one.npz")
    assert list(back) == list(plain)
    assert all(np.array_equal(back[name], plain[name]) for name in plain)
    assert all(back[name].dtype == plain[name].dtype for name in plain)
    for fold in (None, 1, 2):
        ours, keep = rows_of(back, "ZN", fold), plain["label"] >= 0
        keep &= True if fold is None else plain["fold"] == fold
        assert ours.protein.tolist() == np.unique(plain["protein"][keep], return_inverse=True)[1].tolist()
        assert ours.labels.tolist() == plain["label"][keep].tolist()


def test_letters_beside_the_usual_ones_are_kept():
    odd = ResidueRecord("odd", "ACaé", {"ZN": np.zeros(4, np.int8)})
    table = oof_table([odd], {"odd": 1}, {"ZN": {1: {"odd": np.zeros(4, np.float32)}}})
    assert "".join(table["amino_acid"]) == "ACaé"
