"""Sequences that are hardly proteins are told; proteins are not."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from e1bind.data.fasta import read_fasta
from e1bind.data.lookalikes import resemblance
from e1bind.readers.fasta3 import read_fasta3

CHAIN = "MKHACDEFGHIKLMNPQRSTVWYC"


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (["ATGAAACATGCATGCGATGAATTTGGCC"], "nucleotides"),
        (["atgaaacatgcatgc", "gatgaannnnttt"], "nucleotides"),
        (["AUGAAACAUGCAUGCGAUGAAUUUGGCC"], "nucleotides"),
        (["".join(a + b for a, b in zip(CHAIN, "dvpqlsddvvpplsqdvvlpqsdd", strict=True))], "SaProt"),
        ([CHAIN, "HHHHHHEEEECCCCHHHHHHHEEC"], "labels"),
        ([CHAIN[:12], CHAIN[12:], "NNNNNNBNNNNN", "NNNNNNNNNBNN"], "labels"),
        (["HHHHHHEEEECCCCHHHHHHHEEC"], "secondary structure"),
    ],
)
def test_other_alphabets_are_recognised(body, what):
    assert what in (resemblance(body) or "")


@pytest.mark.parametrize(
    "body",
    [
        [CHAIN],
        [CHAIN.lower()],
        [CHAIN, CHAIN],
        ["GGGGSGGGGSGGGGSGGGGS"],
        ["ACGT"],
        ["HHHHHHHHHH"],
        ["X" * 40],
        ["AAAAAAAAAAAAAAAAAAAAAAAA"],
    ],
)
def test_proteins_tags_and_linkers_are_proteins(body):
    assert resemblance(body) is None


def test_no_real_chain_is_taken_for_anything_else(shared: Path):
    records = [
        r
        for ion in ("ZN", "CA", "MG", "MN")
        for r in read_fasta3(shared / f"data/metal_binding/{ion}_train.fasta", ion)
    ]
    assert len(records) > 5000
    assert [record.id for record in records if resemblance([record.sequence])] == []


def test_readers_tell_the_first_records_and_count_the_rest(tmp_path, caplog):
    dna = "ATGAAACATGCATGCGATGAATTTGGCC"
    path = tmp_path / "a.fasta"
    path.write_text("".join(f">d{i}\n{dna}\n" for i in range(8)) + f">p\n{CHAIN}\n")
    with caplog.at_level(logging.WARNING):
        assert len(list(read_fasta(path, pytest.fail))) == 9
    assert len(caplog.messages) == 6
    assert caplog.messages[0].startswith(f"{path}, line 1: d0 looks like no protein but like nucleotides")
    assert caplog.messages[-1].endswith("3 more records look like no protein")
    caplog.clear()
    path.write_text(f">d\n{dna}\n{'0' * len(dna)}\n>p\n{CHAIN}\n{'1' * len(CHAIN)}\n")
    with caplog.at_level(logging.WARNING):
        assert len(read_fasta3(path, "ZN")) == 2
    assert [message for message in caplog.messages if "nucleotides" in message] == caplog.messages
    assert len(caplog.messages) == 1


def test_rna_and_masked_structure_are_refused_for_what_they_are(tmp_path):
    path = tmp_path / "a.fasta"
    path.write_text(">r\nAUGAAACAUGCAUGCGAUGAAUUUGGCC\n>s\n" + "M#KdHvAp" * 4 + f"\n>p\n{CHAIN}\n")
    bad = []
    assert [record.id for record in read_fasta(path, bad.append)] == ["p"]
    assert ["nucleotides" in bad[0].message, "SaProt" in bad[1].message] == [True, True]
    assert "rare-to-x" not in bad[0].message
