from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from e1bind.data.clusters import read_clusters
from e1bind.errors import DataError


def write(folder: Path, content: str) -> Path:
    path = folder / "clusters.tsv"
    path.write_text(content)
    return path


@pytest.mark.parametrize(
    "content",
    [
        "a\tc1\nb\tc2\n",
        "chain_id\tcluster\tcluster_size\na\tc1\t4\nb\tc2\t1\nz\tc1\t4\n",
        "# made by hand\r\n\r\na c1\r\nb   c2\r\n",
        "a\tc1\na\tc1\nb\tc2\n",
    ],
)
def test_first_two_columns_are_id_and_cluster(tmp_path: Path, content: str) -> None:
    assert read_clusters(write(tmp_path, content), ["a", "b"]) == {"a": "c1", "b": "c2"}


def test_representative_first_as_mmseqs2_writes_it(tmp_path: Path) -> None:
    path = write(tmp_path, "a\ta\na\tb\nc\tc\n")
    assert read_clusters(path, ["a", "b", "c"]) == {"a": "a", "b": "a", "c": "c"}


@pytest.mark.parametrize("order", [1, -1])
def test_a_run_of_representatives_only_is_read_from_a_table_of_mmseqs2(tmp_path: Path, order: int) -> None:
    """Each representative stands beside all of its members, and is the only one the run has."""
    rows = ["a\ta", "a\tx", "a\ty", "c\tc", "c\tz"][::order]
    assert read_clusters(write(tmp_path, "\n".join(rows) + "\n"), ["a", "c"]) == {"a": "a", "c": "c"}


def test_columns_that_cannot_be_told_apart_are_refused(tmp_path: Path) -> None:
    """a and b are together in x, or stand apart in y and z: each column names both chains once."""
    path = write(tmp_path, "a\tx\nb\tx\ny\ta\nz\tb\n")
    with pytest.raises(DataError, match=r"both columns name 2 of the 2 chains"):
        read_clusters(path, ["a", "b"])


def test_packed_file(tmp_path: Path) -> None:
    path = tmp_path / "clusters.tsv.gz"
    path.write_bytes(gzip.compress(b"a\tc1\n"))
    assert read_clusters(path, ["a"]) == {"a": "c1"}


def test_missing_chains_are_counted_and_named(tmp_path: Path) -> None:
    path = write(tmp_path, "a\tc1\n")
    with pytest.raises(DataError, match=r"clusters\.tsv: has no cluster for 12 of 13 chains \(p00, p01") as caught:
        read_clusters(path, ["a", *(f"p{i:02d}" for i in range(12))])
    assert "p09, ..." in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty"),
        ("\n# nothing\n", "is empty"),
        ("a\tc1\nb\n", "line 2: expected two columns"),
        ("a\t\n", "line 1: expected two columns"),
        ("a\tc1\nb\tc2\na\tc2\n", "line 3: a stands in clusters c1 and c2"),
    ],
)
def test_broken_file_names_file_and_line(tmp_path: Path, content: str, words: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(DataError) as caught:
        read_clusters(path, ["a", "b"])
    assert str(path) in str(caught.value)
    assert words in str(caught.value)


def test_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.tsv: there is no such file"):
        read_clusters(tmp_path / "none.tsv", ["a"])


@pytest.mark.parametrize("line", ["b\0\tc2", "b\tc\x1b[2J", "b\tc\u202e"])
def test_control_characters_are_told_with_their_line(tmp_path: Path, line: str) -> None:
    with pytest.raises(DataError, match=r"line 2: a chain id or cluster holds the control character") as caught:
        read_clusters(write(tmp_path, f"a\tc1\n{line}\nz\n"), ["a", "b"])
    assert "line 3: expected two columns" in str(caught.value)
    assert str(caught.value).replace("\n", "").isprintable()
