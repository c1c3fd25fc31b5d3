"""Clusters, splits and overlaps: what is related stays together, and is found in another file."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import numpy as np
import pytest

from e1bind.contracts import STANDARD_RESIDUES, ResidueRecord
from e1bind.curation.clustering import cluster, crossing
from e1bind.curation.confirming import confirmed
from e1bind.curation.homologs import Criteria, Method, find_homologs
from e1bind.curation.inputs import Chain, read_input
from e1bind.curation.mmseqs import Mmseqs
from e1bind.curation.overlap import overlap
from e1bind.curation.splitting import split
from e1bind.data.clusters import read_clusters
from e1bind.data.groups import components
from e1bind.errors import DataError, UserError
from e1bind.readers.fasta3 import read_fasta3

needs_mmseqs = pytest.mark.skipif(shutil.which("mmseqs") is None, reason="MMseqs2 is not on the PATH")
METHODS = [Method.WORDS, pytest.param(Method.MMSEQS2, marks=needs_mmseqs)]


def mutated(sequence: str, share: float, seed: int) -> str:
    """The sequence with this share of its residues drawn anew."""
    draw = random.Random(seed)
    return "".join(draw.choice(STANDARD_RESIDUES) if draw.random() < share else letter for letter in sequence)


@pytest.fixture(scope="module")
def chains(root: Path) -> list[Chain]:
    """Real chains, each with a relative of about half its residues, and one sequence under two ids."""
    real = read_fasta3(root / "examples" / "data" / "ZN_train.fasta", "ZN")[:6]
    found = [Chain(r.id, r.sequence, ("ZN",)) for r in real]
    found += [Chain(f"{r.id}-kin", mutated(r.sequence, 0.5, i), ("CA",)) for i, r in enumerate(real)]
    return [*found, Chain("sp|twin/1", real[0].sequence, ("CA",))]


def test_components_join_what_others_join_and_come_in_the_order_of_their_first_members() -> None:
    assert components(6, [(4, 1), (3, 4), (5, 0)]) == [[0, 5], [1, 3, 4], [2]]
    assert components(2, []) == [[0], [1]]


@pytest.mark.parametrize("method", METHODS)
def test_no_two_homologs_are_in_different_clusters_and_the_reader_takes_the_table(chains, tmp_path, method) -> None:
    found = cluster(chains, Criteria(0.3, 0.5), method)
    (tmp_path / "c.tsv").write_text(found.table())
    again = read_clusters(tmp_path / "c.tsv", [chain.id for chain in chains])
    assert again == found.cluster_of
    assert again["sp|twin/1"] == again[chains[0].id]
    for chain in chains[:6]:
        if len(chain.sequence) > 60:
            assert again[f"{chain.id}-kin"] == again[chain.id]
    assert len(found.sizes) >= 4
    assert cluster(chains[::-1], Criteria(0.3, 0.5), method).cluster_of == again
    sequences = sorted({chain.sequence for chain in chains})
    homologs = find_homologs(sequences, None, Criteria(0.3, 0.5), method)
    cluster_of = {chain.sequence: again[chain.id] for chain in chains}
    assert crossing(homologs, [cluster_of[sequence] for sequence in sequences]) == 0
    assert bool(found.as_json()["commands"]) == (method == Method.MMSEQS2)


def test_words_find_a_relative_and_no_stranger_whatever_short_or_strange_the_sequence() -> None:
    draw = random.Random(1)
    real = ["".join(draw.choices(STANDARD_RESIDUES, k=200)) for _ in range(40)]
    sequences = [*real, mutated(real[3], 0.5, 0), "MK", "X" * 50, "A" * 300, ""]
    assert list(confirmed(sequences, None, 0.3, 0.8)) == [(3, 40)]
    assert list(confirmed(sequences, None, 0.9, 0.8)) == []
    assert list(confirmed(["MKV"], ["MKV", "GG", ""], 0.3, 0.8)) == []


@pytest.mark.parametrize("method", METHODS)
def test_overlap_counts_ids_sequences_and_homologs_ion_by_ion(chains, method) -> None:
    train, test = chains[:6], [*chains[6:], Chain(chains[1].id, chains[1].sequence, ("CA", "MG"))]
    found = overlap(test, train, Criteria(0.3, 0.5), method)
    assert found.ids == (chains[1].id,)
    assert found.sequences == ("sp|twin/1", chains[1].id)
    assert {"sp|twin/1", chains[1].id} < set(found.homologs)
    rows = {(row.first_ion, row.second_ion): (row.chains, row.ids, row.sequences) for row in found.rows}
    assert rows == {("CA", "ZN"): (8, 1, 2), ("MG", "ZN"): (1, 1, 1)}
    assert not overlap(train[:1], [Chain("x", chains[5].sequence, ("ZN",))], Criteria(), method).any


def labelled(count: int) -> list[ResidueRecord]:
    """Chains that bind zinc, calcium or both, of several sizes."""
    draw = np.random.default_rng(0)
    records = []
    for i in range(count):
        length = int(draw.integers(30, 200))
        ions = [("ZN",), ("CA",), ("ZN", "CA")][i % 3]
        labels = {ion: (draw.random(length) < 0.1).astype(np.int8) for ion in ions}
        letters = "".join(draw.choice(list(STANDARD_RESIDUES), length))
        records.append(ResidueRecord(f"p{i}", letters, labels))
    return records


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5])
def test_a_split_parts_no_group_and_has_the_wanted_share_of_every_ion(share: float) -> None:
    records = labelled(300)
    groups = {record.id: f"c{i // 3}" for i, record in enumerate(records)}
    found = split(records, ["ZN", "CA"], groups, share, 1)
    parts = {part: {groups[r.id] for r in of} for part, of in found.parts.items()}
    assert not parts["train"] & parts["test"]
    assert sum(map(len, found.parts.values())) == len(records)
    total = {ion: sum(c.positives for c in found.counts if c.ion == ion) for ion in ("ZN", "CA")}
    for count in found.counts:
        if count.part == "test":
            assert count.positives / total[count.ion] == pytest.approx(share, abs=0.02)
    backwards = split(records[::-1], ["ZN", "CA"], groups, share, 1)
    ids = {record.id for record in found.parts["test"]}
    assert {record.id for record in backwards.parts["test"]} == ids
    assert {record.id for record in split(records, ["ZN", "CA"], groups, share, 2).parts["test"]} != ids


def test_what_a_split_writes_is_read_back(tmp_path: Path) -> None:
    records = labelled(30)
    found = split(records, ["ZN", "CA"], None, 0.3, 0)
    for name, text in found.files(["ZN", "CA"]):
        (tmp_path / name).write_text(text)
    for part, of in found.parts.items():
        for ion in ("ZN", "CA"):
            again = read_fasta3(tmp_path / f"{ion}_{part}.fasta", ion)
            known = [record for record in of if ion in record.labels]
            assert [(r.id, r.sequence, r.labels[ion].tolist()) for r in again] == [
                (r.id, r.sequence, r.labels[ion].tolist()) for r in known
            ]


def test_a_split_that_cannot_be_is_refused() -> None:
    records = labelled(6)
    with pytest.raises(DataError, match="ZN: its binding residues stand in 1 group of related"):
        split(records, ["ZN"], dict.fromkeys((r.id for r in records), "c"), 0.2, 0)
    with pytest.raises(UserError, match="--test-share"):
        split(records, ["ZN"], None, 1.0, 0)
    with pytest.raises(DataError, match="hold white space"):
        split([ResidueRecord("a b", "MK", {}), *records], ["ZN"], None, 0.2, 0)


def test_inputs_are_specs_fasta_and_paths_with_an_ion(tmp_path: Path) -> None:
    (tmp_path / "ZN_test.fasta").write_text(">a\nMKV\n010\n>b\nMKH\n001\n")
    (tmp_path / "CA_test.fasta").write_text(">a\nMKV\n100\n")
    found = {chain.id: chain.ions for chain in read_input(tmp_path / "{ion}_test.fasta", ["train"])}
    assert found == {"a": ("CA", "ZN"), "b": ("ZN",)}
    assert [chain.ions for chain in read_input(tmp_path / "CA_test.fasta", ["train"])] == [("-",)]
    (tmp_path / "MG_test.fasta").write_text(">a\nMKW\n100\n")
    with pytest.raises(DataError, match="a has two different sequences"):
        read_input(tmp_path / "{ion}_test.fasta", ["train"])
    with pytest.raises(DataError, match="no file fits"):
        read_input(tmp_path / "{ion}.fa", ["train"])


def test_a_failing_program_is_told_in_a_sentence_with_its_last_lines(tmp_path, monkeypatch) -> None:
    program = tmp_path / "mmseqs"
    program.write_text('#!/bin/sh\n[ "$1" = version ] && exit 0\necho "no room left"\nexit 4\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(UserError, match=r"mmseqs easy-search failed with exit code 4(.|\n)*no room left"):
        find_homologs(["MKV"], None, Criteria(), Method.AUTO)
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    assert Mmseqs.find() is None
    with pytest.raises(UserError, match="needs the program MMseqs2"):
        find_homologs(["MKV"], None, Criteria(), Method.MMSEQS2)
    assert find_homologs(["MKV"], None, Criteria(), Method.AUTO).method == Method.WORDS
    with pytest.raises(UserError, match="--identity and --coverage are shares"):
        find_homologs(["MKV"], None, Criteria(30, 0.8), Method.WORDS)
