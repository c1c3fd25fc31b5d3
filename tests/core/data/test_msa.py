from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from e1bind.data.msa import Alignment, holds, parse_a3m, read_a3m, shared_words
from e1bind.errors import DataError
from e1bind.readers.fasta3 import read_fasta3

PATH = Path("some.a3m")


def parse(text: str | bytes, query: str | None = None) -> Alignment:
    return parse_a3m(text.encode() if isinstance(text, str) else text, PATH, query)


def failure(text: str, query: str | None = None) -> str:
    with pytest.raises(DataError) as caught:
        parse(text, query)
    assert str(PATH) in str(caught.value)
    return str(caught.value)


def test_columns_are_the_rows_without_insertions_and_contexts_have_them_back() -> None:
    alignment = parse(">q\nMKVCE\n>h\nmM-VacCE\n>d\nM..CE\n")
    assert [bytes(row).decode() for row in alignment.columns] == ["MKVCE", "M-VCE", "M--CE"]
    assert alignment.rows == ("MKVCE", "mM-VacCE", "M--CE")
    assert [alignment.sequence(i) for i in range(3)] == ["MKVCE", "MMVACCE", "MCE"]
    assert alignment.query == "MKVCE"


@pytest.mark.parametrize(
    "text",
    [
        "#158 1\n>q\nMKVCE\n>h\nMK-CE\n",
        "#A3M#\n\n>q\nMKVCE\n\n>h\nMK-CE\n\n",
        ">q\nMK\nVCE\n>h\nM\nK-CE\n",
        ">q\r\nMKVCE\r\n>h\r\nMK-CE\r\n",
        ">\nMKVCE\n>\nMK-CE\n",
        ">q\tx\t1\nMKVCE\n>h\t55\t0.4\nMK-CE\n",
        ">q\nMKVCE\n>q\nMK-CE\n",
        b">q\nMKVCE\n\0>h\nMK-CE\n\0",
        b">q\nMKVCE\n\0\n>h\nMK-CE\0",
        b">q\nMKVCE\0>h\nMK-CE\n",
        gzip.compress(b">q\nMKVCE\n>h\nMK-CE\n", mtime=0),
    ],
    ids=[
        "colabfold",
        "hhsuite",
        "wrapped",
        "crlf",
        "unnamed",
        "tabs",
        "one-name",
        "nul",
        "nul-line",
        "nul-only",
        "gz",
    ],
)
def test_ways_of_writing_one_alignment(text: str | bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.a3m"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    for query in (None, "MKVCE"):
        assert read_a3m(path, query).rows == ("MKVCE", "MK-CE")


def test_ids_are_whole_headers() -> None:
    assert parse(">q\tx\t1\nMK\n>\nMK\n>sp|P1|A b c\nMK\n").ids == ("q\tx\t1", "", "sp|P1|A b c")


def test_nul_bytes_between_related_rows_do_not_break_an_alignment() -> None:
    alignment = parse(b">q\nMKVCE\n\0>a\nMKVCD\n\0>b\nMRVCE\n\0>c\nMK-CE\n\0", "MKVCE")
    assert alignment.rows == ("MKVCE", "MKVCD", "MRVCE", "MK-CE")


def test_query_repeated_is_a_row_of_its_own() -> None:
    assert parse(">q\nMKV\n>q\nMKV\n>h\nMK-\n", "MKV").rows == ("MKV", "MKV", "MK-")


def test_query_with_x_written_as_gap_is_the_chain() -> None:
    assert parse(">q\nMK-CE\n>h\nMKVCE\n", "MKXCE").remark is None
    assert parse(">q\nMKXCE\n>h\nMKVCE\n", "MKVCE").remark is None


@pytest.mark.parametrize("text", ["", "\n\n", "#158 1\n", "\0"])
def test_empty_file_has_no_rows(text: str) -> None:
    alignment = parse(text, "MKV")
    assert (alignment.ids, alignment.rows, alignment.columns.shape, alignment.query) == ((), (), (0, 0), "")


def test_one_sequence() -> None:
    assert parse(">q\nMKV\n", "MKV").rows == ("MKV",)


def test_rows_of_gaps_are_kept_as_they_are() -> None:
    assert parse(">q\nMKV\n>g\n---\n>h\nMK-\n", "MKV").rows == ("MKV", "---", "MK-")


BLOCKS = {
    "other length": b">101\nMKVCE\n>a\nMK-CE\n%s>102\nHHEWWYC\n>b\nHH-WWYC\n%s>103\nAAA\n>c\nA-A\n",
    "same length": b">101\nMKVCE\n>a\nMK-CE\n\0>102\nHHEWW\n>b\nHH-WW\n\0>103\nAAATT\n>c\nA-ATT\n",
}


@pytest.mark.parametrize("separator", [b"", b"\0", b"#5 1\n"])
@pytest.mark.parametrize("kind", BLOCKS)
def test_the_block_of_the_chain_is_taken(kind: str, separator: bytes) -> None:
    content = BLOCKS[kind].replace(b"%s", separator)
    queries = ["MKVCE", "HHEWWYC", "AAA"] if kind == "other length" else ["MKVCE", "HHEWW", "AAATT"]
    for query in queries:
        alignment = parse(content, query)
        assert alignment.query == query
        assert len(alignment.rows) == 2
        assert alignment.remark is None
    assert parse(content).query == "MKVCE"


def test_blocks_of_one_chain_are_joined() -> None:
    """ColabFold writes the hits of each database as a block of its own, each with the query."""
    content = b">101\nMKVCE\n>a\nMK-CE\n\0>102\nHHEWW\n>b\nHH-WW\n\0>101\nMKVCE\n>c\nM--CE\n\0"
    assert parse(content, "MKVCE").ids == ("101", "a", "101", "c")
    assert parse(content, "HHEWW").ids == ("102", "b")


def test_window_of_a_chain_finds_the_chains_alignment() -> None:
    assert parse(">q\nMKVCEHH\n>h\nMK-CEHH\n", "VCEH").query == "MKVCEHH"


CHAIN = "MKVLATCHEDGFRWYNPQSTIVKELMGAHCR"


def test_nearly_the_chain_is_used_with_a_remark() -> None:
    """A structure lacks the loop that the alignment's query has, and one residue is mutated."""
    seen = CHAIN[:12] + CHAIN[17:24] + "W" + CHAIN[25:]
    remark = parse(f">q\n{CHAIN}\n>h\n{CHAIN}\n", seen).remark
    assert remark is not None
    assert "some.a3m, line 1" in remark
    assert "not the chain letter for letter" in remark


def test_another_chains_alignment_is_refused() -> None:
    message = failure(f">q\n{CHAIN[::-1]}\n>h\n{CHAIN}\n", CHAIN)
    assert "line 1: the query (31 columns) is not the chain (31 residues)" in message
    assert "put the chain's own alignment there" in message


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (">q\nMKV\n>a\nMK-V\n", 3, "4 match columns (capitals and '-') where the query of line 1 has 3"),
        (">q\nMKV\n>a\nMK\n>b\nM-V\n", 3, "2 match columns"),
        (">q\nMKV\n>a\nMKVC\n", 3, "4 match columns"),
        (">q\nMKV\n>a\nMKVC\n>b\nMKVCE\n>c\nMK\n", 3, "align the sequences"),
        (">q\nMKV\n>a\n>b\nMKV\n", 3, "without match columns"),
        (">q\nmkv\n", 1, "without match columns"),
        (">q\nMKV\n>a\nMK1\n", 3, "'1' in the sequence"),
        ("MKV\n>a\nMKV\n", 1, "before the first header"),
    ],
)
def test_what_is_no_alignment_is_refused_with_its_line(text: str, line: int, words: str) -> None:
    message = failure(text, "MKV")
    assert f"line {line}: " in message
    assert words in message


def test_holds_looks_for_residues_in_a_row() -> None:
    assert holds("MKVCE", "KVC")
    assert holds("MKVCE", "XVX")
    assert holds("M-VCE", "MXV")
    assert not holds("M-VCE", "MKV")
    assert not holds("MKV", "MKVC")
    assert not holds("MKV", "")


def test_shared_words_counts_words_of_the_shorter_sequence() -> None:
    assert shared_words("MKVCEH", "KVCE") == 1
    assert shared_words("MKVCEH", "KVCEWW") == pytest.approx(1 / 3)
    assert shared_words("MKV", "MKV") == 0


def test_shared_examples_are_read_whole(shared: Path) -> None:
    depths = {
        "1xcr_A": (588, 313),
        "1xcr_A_hhblits": (251, 313),
        "3u8v_A": (734, 93),
        "5ahw_A": (1024, 125),
        "6kwc_A": (1428, 191),
        "UniRef50_E9K9Y4": (17, 98),
        "6o5g_A_pdb": (37, 143),
        "2opo_C_pdb": (23, 85),
    }
    folder = shared / "data" / "msa_examples"
    assert {name: read_a3m(folder / f"{name}.a3m").columns.shape for name in depths} == depths
    zinc = {r.id: r.sequence for r in read_fasta3(shared / "data" / "metal_binding" / "ZN_train.fasta", "ZN")}
    for chain in ("1xcr_A", "6o5g_A"):
        (path,) = [p for p in folder.glob(f"{chain}*.a3m") if "hhblits" not in p.name]
        alignment = read_a3m(path, zinc[chain])
        assert alignment.remark is None
        assert alignment.query == zinc[chain]
        np.testing.assert_array_equal(alignment.columns, read_a3m(path).columns)
    with pytest.raises(DataError, match="is not the chain"):
        read_a3m(folder / "5ahw_A.a3m", zinc["1xcr_A"])


def test_control_characters_in_headers_do_no_harm() -> None:
    """Rows are told apart by their place; their names are never shown nor kept."""
    alignment = parse_a3m(b">q\x1b[2J\x07\nMKV\n>\xff\xfe\x7f\nMK-\n", Path("a.a3m"))
    assert alignment.columns.shape == (2, 3)
