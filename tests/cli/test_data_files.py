"""`e1bind data from-structures` and `convert`: what they write, print and refuse."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from small_specs import SMALLEST

from e1bind.readers.options import StructuresOptions
from e1bind_cli.app import run as e1bind


@pytest.fixture
def structures(tmp_path: Path) -> Path:
    (tmp_path / "structures").mkdir()
    StructuresOptions.example(tmp_path / "structures")
    return tmp_path / "structures"


def test_structures_become_fasta_with_where_each_chain_comes_from(structures, tmp_path, capsys) -> None:
    out = tmp_path / "new" / "zinc.fasta"
    assert (
        e1bind(["data", "from-structures", str(structures), "-o", str(out), "--ion", "ZN", "--cutoff", "2.5"]) == 0
    )
    assert out.read_text().splitlines() == [
        ">zinc_A file=zinc.pdb chain=A ion=ZN rule=donor cutoff=2.5 models=first symmetry=no",
        "MHCGHK",
        "010010",
        ">zinc_B file=zinc.pdb chain=B ion=ZN rule=donor cutoff=2.5 models=first symmetry=no",
        "GCHS",
        "0110",
    ]
    assert "2 chains with 4 residues that bind ZN, of 1 files (rule=donor cutoff=2.5" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--ion", "MG", "-o", "x.fasta"], "no chain has a site of MG (structures read: 1)"),
        (["--ion", "ZN", "-o", "x.csv"], "from-structures writes FASTA"),
        (["--ion", "ZN", "-o", "x.fasta", "--cutoff", "-1"], "options.cutoff"),
    ],
)
def test_what_cannot_be_is_told_and_nothing_is_written(structures, tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    assert e1bind(["data", "from-structures", str(structures), *words]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.glob("x.*"))


def test_the_table_that_convert_prints_reads_what_it_wrote(tmp_path, capsys) -> None:
    spec = tmp_path / "spec.toml"
    spec.write_text(SMALLEST)
    text = ">a from a paper\nMKHC\n0011\n>b\nMKHCC\n01???\n"
    (tmp_path / "ZN_train.fasta").write_text(text)
    out = tmp_path / "{ion}.tsv"
    assert e1bind(["data", "convert", str(spec), "-o", str(out), "--values", "positions", "--first", "0"]) == 0
    told = capsys.readouterr().out
    assert "ZN.tsv: 2 chains of ZN" in told
    printed = told[told.index("[data.table]") :]
    assert tomllib.loads(printed)["data"]["table"] == {"train": str(out), "values": "positions", "first": 0}
    spec.write_text(SMALLEST.replace('[data.fasta3]\ntrain = "{ion}_train.fasta"', printed))
    assert e1bind(["data", "convert", str(spec), "-o", str(tmp_path / "again.fasta")]) == 0
    assert (tmp_path / "again.fasta").read_text() == text
