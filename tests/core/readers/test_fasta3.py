from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from e1bind.errors import DataError
from e1bind.readers.fasta3 import Fasta3Reader, read_fasta3
from e1bind.readers.options import Fasta3Options


def write(folder: Path, content: str | bytes, name: str = "ZN_train.fasta") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def options(folder: Path, **more: object) -> Fasta3Options:
    return Fasta3Options.model_validate({"train": "{ion}_train.fasta", **more}, context={"base_dir": folder})


def failure(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_fasta3(path, "ZN")
    return str(caught.value)


def test_three_line_records_become_records_with_labels_and_source(tmp_path: Path) -> None:
    path = write(tmp_path, ">1abc_A zinc 1ABC\nMKVC\n0001\n>1abc_a\nHHXE\n11?0\n")
    first, second = read_fasta3(path, "ZN")
    assert (first.id, first.sequence, first.source) == ("1abc_A", "MKVC", f"{path}:1")
    assert first.labels["ZN"].dtype == np.int8
    assert first.labels["ZN"].tolist() == [0, 0, 0, 1]
    assert (second.id, second.sequence) == ("1abc_a", "HHXE")
    assert second.labels["ZN"].tolist() == [1, 1, -1, 0]


@pytest.mark.parametrize(
    "content",
    [
        ">a\r\nMKVC\r\n0001\r\n",
        ">a\rMKVC\r0001\r",
        "\n\n  >a  \n\nMKVC\n\n0001",
        ">a\nmkvc\n0001\n",
        ">a\nMK\nVC\n00\n01\n",
        ">a\nMK VC\n00 01\n",
        ">a\n\tMKVC \n0\t0 0 1\n",
        b"\xef\xbb\xbf>a\nMKVC\n0001\n",
        gzip.compress(b">a\nMKVC\n0001\n", mtime=0),
        ">a\nMKVC\n0001\n>a again\nMKVC\n0001\n",
    ],
    ids=["crlf", "cr", "blank", "lower", "wrapped", "spaced", "tabs", "bom", "gzip", "repeated"],
)
def test_harmless_ways_of_writing_read_the_same(tmp_path: Path, content: str | bytes) -> None:
    (record,) = read_fasta3(write(tmp_path, content), "ZN")
    assert (record.id, record.sequence, record.labels["ZN"].tolist()) == ("a", "MKVC", [0, 0, 0, 1])


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        (">a\nMKVC\n000\n", 3, "4 residues but 3 labels"),
        (">a\nMKVC\n0\n0001\n", 3, "4 residues but 5 labels"),
        (">a\nMK*C\n0001\n", 2, "'*' in the sequence (first at residue 3)"),
        (">a\nMK-C\n0001\n", 2, "'-' in the sequence"),
        (">a\nMK1C\n0001\n", 2, "'1' in the sequence"),
        (">a\nMKßC\n00001\n", 2, "'ß' in the sequence"),
        (">a\nMKUC\n0001\n", 2, 'unknown_residues = "to-x"'),
        (">a\nMKVC\n0021\n", 3, "label '2' (first at residue 3)"),
        (">a\nMKVC\n00x1\n", 3, "label 'x'"),
        (">a\nMK\n\nV*\n0001\n", 4, "'*' in the sequence (first at residue 4)"),
        (">a\nMK\nVC\n00\n05\n", 5, "label '5' (first at residue 4)"),
        (">a\nMKVC\n", 1, "no labels"),
        (">a\n>b\nMKVC\n0001\n", 1, "no sequence"),
        (">a\n0001\n", 1, "no sequence"),
        (">\nMKVC\n0001\n", 1, "without an id"),
        ("MKVC\n0001\n", 1, "before the first header"),
        (">a\nMKVC\n0001\nMKVC\n0001\n", 4, "lack its '>id' line"),
        (">a\nMKVC\n0001\n>a\nMKVD\n0001\n", 4, "already read from line 1 with another sequence"),
        (">a\nMKVC\n0001\n>a\nMKVC\n0011\n", 4, "already read from line 1 with other labels"),
    ],
)
def test_bad_record_names_file_line_and_remedy(tmp_path: Path, content: str, line: int, words: str) -> None:
    path = write(tmp_path, content)
    message = failure(path)
    assert str(path) in message
    assert f"line {line}: " in message
    assert words in message


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a\0", r"a\x00: the id holds the control character '\x00' (character 2)"),
        ("\0a", r"'\x00' (character 1)"),
        ("a\x1b[2Jb", r"a\x1b[2Jb: the id holds the control character '\x1b'"),
        ("a\x7f", r"'\x7f'"),
        ("a\u202eb", r"'\u202e'"),
        ("A" * 1001, "has 1001 characters, at most 1000 are allowed"),
    ],
)
def test_an_id_that_cannot_be_kept_is_told_with_its_line_and_all_other_problems(
    tmp_path: Path, name: str, shown: str
) -> None:
    message = failure(write(tmp_path, f">fine\nMKVC\n000\n>{name} words\nMKVC\n0001\n>last\nMK*C\n0001\n"))
    assert "has 3 problems" in message
    assert any(line.startswith("  line 4: ") and shown in line for line in message.splitlines())
    assert message.replace("\n", "").isprintable()
    assert len(message) < 600


def test_control_characters_in_a_description_and_long_ids_do_no_harm(tmp_path: Path) -> None:
    long = "A" * 1000
    records = read_fasta3(write(tmp_path, f">{long} a\0\x1b[2J\nMKVC\n0001\n>é·µ\nMKVC\n0001\n"), "ZN")
    assert [record.id for record in records] == [long, "é·µ"]


@pytest.mark.parametrize("content", ["", "\n\n \n", gzip.compress(b"", mtime=0)])
def test_empty_file_is_refused(tmp_path: Path, content: str | bytes) -> None:
    assert "is empty" in failure(write(tmp_path, content))


def test_all_problems_of_a_file_are_told_at_once_and_long_lists_are_counted(tmp_path: Path) -> None:
    message = failure(write(tmp_path, ">a\nMKVC\n000\n>b\nM*VC\n0002\n"))
    assert "has 3 problems" in message
    assert [line.split(":")[0].strip() for line in message.splitlines()[1:]] == ["line 3", "line 5", "line 6"]
    long = failure(write(tmp_path, "".join(f">p{i}\nMKV\n00\n" for i in range(50))))
    assert "has 50 problems" in long
    assert "and 30 more" in long
    assert len(long.splitlines()) == 22


def test_damaged_gzip_is_refused(tmp_path: Path) -> None:
    packed = gzip.compress(b">a\nMKVC\n0001\n" * 100)
    assert "damaged gzip" in failure(write(tmp_path, packed[:-12]))


def test_rare_letters_become_x_when_asked(tmp_path: Path) -> None:
    path = write(tmp_path, ">a\nbjoUZM\n000001\n")
    assert read_fasta3(path, "ZN", rare_to_x=True)[0].sequence == "XXXXXM"


def test_ion_without_a_file_lists_the_files_there_are(tmp_path: Path) -> None:
    write(tmp_path, ">a\nMK\n01\n", "ZN_train.fasta")
    write(tmp_path, ">a\nMK\n01\n", "CA_train.fasta.gz")
    with pytest.raises(DataError, match=r"MN_train\.fasta: there is no such file") as caught:
        Fasta3Reader(options(tmp_path)).read("MN", "train")
    assert "CA_train.fasta.gz" in str(caught.value)
    assert "ZN_train.fasta" in str(caught.value)
    with pytest.raises(DataError, match="no file matches"):
        Fasta3Reader(options(tmp_path, train="nothing/{ion}.fa")).read("MN", "train")
    with pytest.raises(DataError, match=r"set data\.fasta3\.test"):
        Fasta3Reader(options(tmp_path)).read("ZN", "test")


def test_one_file_does_not_serve_two_ions(tmp_path: Path) -> None:
    write(tmp_path, ">a\nMK\n01\n", "all.fasta")
    reader = Fasta3Reader(options(tmp_path, train="all.fasta"))
    assert len(reader.read("ZN", "train")) == len(reader.read("ZN", "train")) == 1
    with pytest.raises(DataError, match="same labels to ZN and CA"):
        reader.read("CA", "train")


def test_alignments_are_found_by_id(tmp_path: Path) -> None:
    write(tmp_path, ">a\nMK\n01\n>b\nMK\n01\n>../a\nMK\n01\n")
    (tmp_path / "msa").mkdir()
    write(tmp_path / "msa", ">a\nMK\n", "a.a3m")
    a, b, outside = Fasta3Reader(options(tmp_path, msa_dir="msa")).read("ZN", "train")
    assert a.msa == tmp_path / "msa" / "a.a3m"
    assert b.msa is outside.msa is None
    with pytest.raises(DataError, match="msa_dir is not a folder"):
        Fasta3Reader(options(tmp_path, msa_dir="msas")).read("ZN", "train")


def test_unknown_placeholder_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"unknown placeholder \{metal\}"):
        Fasta3Options.model_validate({"train": "{metal}.fasta"})


def test_shared_training_files_are_read_as_their_readme_says(shared: Path) -> None:
    reader = Fasta3Reader(options(shared / "data" / "metal_binding"))
    facts = {}
    for ion in ("ZN", "CA", "MG", "MN"):
        records = reader.read(ion, "train")
        facts[ion] = (len(records), sum(map(len, records)), sum(r.positives(ion) for r in records))
    assert facts == {
        "ZN": (1646, 474855, 7727),
        "CA": (1554, 504146, 8442),
        "MG": (1729, 575732, 6317),
        "MN": (547, 181699, 2556),
    }
