"""From strings to tensors."""

from __future__ import annotations

import pytest
import torch

from e1bind_backbones.e1 import encode_rows
from e1bind_backbones.e1.tokens import VOCABULARY, encode_row


def test_the_vocabulary_has_34_tokens_in_the_published_order():
    assert len(VOCABULARY) == 34
    assert [VOCABULARY.index(t) for t in ("<pad>", "<bos>", "<eos>", "?", "1", "2", "A", "X", "Z")] == [
        0, 1, 2, 5, 6, 7, 8, 31, 33,
    ]  # fmt: skip


def test_removed_x_leaves_a_gap_in_positions_and_counts_for_later_sequences():
    row = encode_row("AXXC,XACX", remove_x=True)
    assert row.within_seq_position_ids.tolist() == [0, 1, 2, 5, 6, 7, 0, 1, 3, 4, 6, 7]
    assert row.global_position_ids.tolist() == [0, 1, 2, 5, 6, 7, 8, 9, 11, 12, 14, 15]
    assert row.sequence_ids.tolist() == [0] * 6 + [1] * 6


def test_the_context_string_is_what_stands_before_the_query():
    row = encode_row("AC,D?")
    assert (row.context, row.context_len) == ("<bos>1AC2<eos>", 6)
    assert encode_row("AC").context == ""


def test_labels_cover_the_query_only_unless_context_labels_are_preserved():
    row = encode_row("AC,D?")
    assert row.labels.tolist() == [0] * 6 + row.input_ids[6:].tolist()
    kept = encode_row("AC,D?", preserve_context_labels=True)
    assert kept.labels.tolist() == kept.input_ids.tolist()


def test_batches_are_padded_on_the_right_with_0_and_minus_1():
    batch = encode_rows(["ACDEF", "A"])
    assert {name: int(values[1, -1]) for name, values in batch.items()} == {
        "input_ids": 0,
        "within_seq_position_ids": -1,
        "global_position_ids": -1,
        "sequence_ids": -1,
        "labels": 0,
    }
    assert all(v.dtype == torch.int64 and v.shape == (2, 9) for v in batch.values())


@pytest.mark.parametrize(
    "row", ["", "A,,C", "A,", ",A", "ac", "A-C", "A C", "A*", "A1", "AC\n", "???", "A,??", "ÄC", "\u0391C"]
)
def test_what_no_sequence_is_written_with_is_refused_by_name(row):
    with pytest.raises(ValueError, match="sequence"):
        encode_row(row)


def test_too_many_sequences_and_too_long_ones_are_refused():
    with pytest.raises(ValueError, match="row of 3 sequences; the model takes at most 2"):
        encode_row("A,C,D", max_sequences=2)
    with pytest.raises(ValueError, match="has 5 residues; the model takes at most 4"):
        encode_row("ACDEF", max_residues=4)
    assert len(encode_row("ACDE", max_residues=4)) == 8
