"""FASTA as people have it."""

from __future__ import annotations

import gzip
import io
import sys
from pathlib import Path

import pytest

from e1bind.data.fasta import BadRecord, count_records, read_fasta
from e1bind.errors import DataError


def read(path: Path, **options):
    bad: list[BadRecord] = []
    records = list(read_fasta(path, bad.append, **options))
    return [(r.id, r.sequence) for r in records], bad


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_wrapped_sequences_descriptions_case_and_line_ends(tmp_path, ends):
    path = tmp_path / "a.fasta"
    path.write_bytes(ends.join(["", ">a some words", "MKV", "hcd", "", ">b", " M K X ", ""]).encode())
    assert read(path) == ([("a", "MKVHCD"), ("b", "MKX")], [])
    assert count_records(path) == 2


def test_gzip_is_told_by_its_content(tmp_path):
    path = tmp_path / "plain.fasta"
    path.write_bytes(gzip.compress(b">a\nMKV\n"))
    assert read(path)[0] == [("a", "MKV")]


@pytest.mark.parametrize("packed", [False, True])
def test_standard_input(monkeypatch, packed):
    content = b"\xef\xbb\xbf>a\nMKV\n"
    raw = io.BufferedReader(io.BytesIO(gzip.compress(content) if packed else content))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(raw))
    assert read(Path("-"))[0] == [("a", "MKV")]
    assert count_records(Path("-")) is None


def test_bad_records_are_named_with_their_line_and_the_rest_goes_on(write):
    path = write(">a\nMKV\n>empty\n>star\nMK*\n>b\nMUV\n>\nMKV\n>c\nMKW\n>a\nWWW\n>gap\nM-K\n>d\nmkl\n")
    records, bad = read(path)
    assert [name for name, _ in records] == ["a", "c", "d"]
    assert [(b.name, b.line) for b in bad] == [
        ("empty", 3), ("star", 4), ("b", 6), ("(no name)", 8), ("a", 12), ("gap", 14),
    ]  # fmt: skip
    assert "--rare-to-x" in bad[2].message
    assert "another sequence" in bad[4].message


def test_ids_that_cannot_be_kept_are_bad_records_and_shown_printable(write):
    records, bad = read(write(f">a\nMKV\n>b\0\nMKV\n>c\x1b[2J\nMKV\n>{'A' * 1001}\nMKV\n>d e\0\nMKV\n"))
    assert [name for name, _ in records] == ["a", "d"]
    assert [(b.name, b.line) for b in bad] == [("b\\x00", 3), ("c\\x1b[2J", 5), ("A" * 77 + "...", 7)]
    assert "the id holds the control character '\\x00' (character 2)" in bad[0].message
    assert all(str(b).isprintable() for b in bad)


def test_rare_letters_can_be_read_as_x(write):
    assert read(write(">a\nMUBZOJ\n"), rare_to_x=True) == ([("a", "MXXXXX")], [])


def test_labels_of_training_files_are_passed_over_and_other_digits_are_not(write):
    records, bad = read(write(">a\nMKV\n0?1\n>b\nMKVL\n01\n10\n>c\nMKV\n01\n>d\nMKV\n012\n"))
    assert records == [("a", "MKV"), ("b", "MKVL")]
    assert [b.name for b in bad] == ["c", "d"]


def test_a_record_that_stands_there_twice_is_read_once(write):
    assert read(write(">a\nMKV\n>a x\nmkv\n")) == ([("a", "MKV")], [])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"MKV\n", "no FASTA"),
        (gzip.compress(b">a\n" + bytes(range(65, 91)) * 500, mtime=0)[:-20], "damaged gzip"),
    ],
)
def test_what_is_no_fasta_is_an_error(tmp_path, content, message):
    path = tmp_path / "x.fasta"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read(path)


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read(tmp_path / "none.fasta")
