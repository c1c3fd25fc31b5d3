"""Alignments that `data msa` built, in a run: trained and predicted with, and missed where they are required."""

from __future__ import annotations

import logging
import random
import shutil

import pytest
from small_runs import SPEC, train_once

from e1bind.contracts import STANDARD_RESIDUES
from e1bind.errors import DataError
from e1bind_cli.app import run as e1bind

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("mmseqs") is None, reason="MMseqs2 is not on the PATH"),
]


def relatives(fasta: str) -> str:
    """FASTA of three relatives of each chain, with a third of the residues drawn anew."""
    draw = random.Random(0)
    lines = fasta.splitlines()
    found = []
    for number, sequence in enumerate(lines[1::3]):
        for kin in range(3):
            letters = (draw.choice(STANDARD_RESIDUES) if draw.random() < 0.33 else letter for letter in sequence)
            found.append(f">r{number}-{kin}\n{''.join(letters)}\n")
    return "".join(found)


def test_a_run_trains_and_predicts_with_them_and_says_which_are_missing(root, tmp_path, caplog, capsys) -> None:
    source = root / "examples" / "data" / "ZN_train.fasta"
    (tmp_path / "db.fasta").write_text(relatives(source.read_text()))
    place = tmp_path / "msa"
    words = ["--db", str(tmp_path / "db.fasta"), "-o", str(place), "--iterations", "1", "--sensitivity", "4"]
    assert e1bind(["data", "msa", str(source), *words]) == 0
    text = SPEC.format(data=root / "examples" / "data").replace("epochs = 2", "epochs = 1")
    text = text.replace("[cv]", f'msa_dir = "{place}"\nmsa = "required"\n[cv]')
    with caplog.at_level(logging.INFO, "e1bind"):
        train_once(tmp_path, text, "run")
    assert "13 of 13 chains have an alignment" in caplog.text
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING and "lignment" in r.getMessage()]
    new, table = tmp_path / "new.fasta", tmp_path / "out.csv"
    new.write_text(source.read_text() + ">alone\nMKVHCDEACGHKMKVHCDEACGHK\n")
    run = str(tmp_path / "results" / "run")
    assert e1bind(["predict", run, str(new), "-o", str(table)]) == 2
    assert "say with --msa-dir" in capsys.readouterr().err
    assert e1bind(["predict", run, str(new), "-o", str(table), "--msa-dir", str(place)]) == 3
    assert "left out: alone: has no alignment in" in capsys.readouterr().err
    assert e1bind(["predict", run, str(source), "-o", str(table), "--msa-dir", str(place / "{id}.a3m")]) == 0
    next(place.glob("*.a3m")).unlink()
    with pytest.raises(DataError, match="1 of 13 chains have no alignment"):
        train_once(tmp_path, text, "second")
