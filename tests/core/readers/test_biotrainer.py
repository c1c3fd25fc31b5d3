"""The reader `biotrainer`: classes in headers or in a file of their own, splits, masks, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from e1bind.data.labels import text_of_labels
from e1bind.errors import DataError
from e1bind.readers.biotrainer import BiotrainerReader
from e1bind.readers.options import BiotrainerOptions

ONE = """>a TARGET=--MN SET=train
MKHC
>b TARGET=M--- SET=val MASK=1101
MKHC
>c TARGET=---- SET=test
MKHC
>d SET=pred
MKHC
"""


def labels(
    folder: Path, text: str | None = None, ion: str = "ZN", split: str = "train", **options
) -> dict[str, str]:
    path = folder / "sequences.fasta"
    if text is not None:
        path.write_text(text)
    options = {"binding": {"ZN": "M"}, **options}
    reader = BiotrainerReader(BiotrainerOptions(train=path, test=path, **options))
    return {record.id: text_of_labels(record.labels[ion]) for record in reader.read(ion, split)}


def test_classes_of_headers_are_labels_and_set_is_the_split(tmp_path) -> None:
    assert labels(tmp_path, ONE) == {"a": "0010", "b": "10?0"}
    assert labels(tmp_path, binding={"ZN": "MN"}, unknown="N") == {"a": "001?", "b": "10?0"}
    assert labels(tmp_path, split="test", binding={"ZN": "-"}) == {"c": "1111"}


def test_classes_and_masks_may_stand_in_files_of_their_own(tmp_path) -> None:
    (tmp_path / "labels.fasta").write_text(
        ">b SET=train VALIDATION=True\nZCCZ\n>a SET=train VALIDATION=False\nCZ\nCC\n"
    )
    (tmp_path / "masks.fasta").write_text(">b\n0111\n")
    files = {"labels": tmp_path / "labels.fasta", "masks": tmp_path / "masks.fasta"}
    found = labels(tmp_path, ">a\nMKHC\n>b\nMKHC\n", binding={"ZN": "Z", "calcium": "C"}, **files)
    assert found == {"a": "0100", "b": "?001"}
    assert labels(tmp_path, ion="CA", binding={"ZN": "Z", "calcium": "C"}, **files) == {"a": "1011", "b": "?110"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (">a TARGET=M-- SET=train\nMKHC\n", "line 1: a: 4 residues but 3 classes"),
        (">a TARGET=M---\nMKHC\n", "no SET; write SET=train"),
        (">a TARGET=M--- SET=training\nMKHC\n", "SET=training is none"),
        (">a SET=train\nMKHC\n", "no classes"),
        (">a target=M--- SET=train\nMKHC\n", "target= is written TARGET="),
        (">a TARGET=M--- SET=train MASK=11\nMKHC\n", "the mask is not one of 0 and 1 for each of 4 residues"),
        (">a TARGET=---- SET=train\nMKHC\n", "its classes are '-'"),
        (">a TARGET=M--- SET=test\nMKHC\n", "holds no chains of SET=train"),
        (">a TARGET=M--- SET=train\nMK*C\n", "letter '\\*'"),
        (">a TARGET=M--- SET=train\nMKHC\n>a TARGET=-M-- SET=train\nMKHC\n", "with other labels"),
        ("MKHC\n", "text before the first header"),
    ],
)
def test_what_cannot_be_is_refused_with_its_line(tmp_path, text, message) -> None:
    with pytest.raises(DataError, match=message):
        labels(tmp_path, text)


def test_an_ion_without_letters_and_a_chain_with_two_records_of_classes_are_told(tmp_path) -> None:
    with pytest.raises(DataError, match="has no letters for MG; it has ZN"):
        labels(tmp_path, ONE, ion="MG", binding={"ZN": "M"})
    (tmp_path / "labels.fasta").write_text(">a SET=train\nM---\n>a SET=train\n-M--\n")
    with pytest.raises(DataError, match="line 3: a: other labels than in line 1"):
        labels(tmp_path, labels=tmp_path / "labels.fasta")
