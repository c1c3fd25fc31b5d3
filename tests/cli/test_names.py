"""Names out of files on their way to a terminal and into tables: shown, never obeyed."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from small_runs import SPEC, train_once

from e1bind_cli.app import run

ION = "[/][red]Zn"


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    """A run whose ion is called like Rich's markup."""
    folder = tmp_path_factory.mktemp("odd")
    text = SPEC.format(data=root / "examples" / "data").replace("{ion}_train", "ZN_train")
    text = text.replace('ions = ["ZN"]', f'ions = ["{ION}"]').replace("epochs = 2", "epochs = 1")
    return train_once(folder, text, "odd").run.path


def test_markup_in_the_name_of_an_ion_is_text(odd, tmp_path, root, capsys):
    data = root / "examples" / "data" / "ZN_train.fasta"
    assert run(["collect", str(odd)]) == 0
    assert ION in capsys.readouterr().out
    assert run(["evaluate", str(odd), "--data", str(data), "--resamples", "20", "-o", str(tmp_path / "e")]) == 0
    assert ION in capsys.readouterr().out
    assert run(["compare", str(odd), str(odd.parent / "odd" / ".." / "odd"), "-o", str(tmp_path / "c")]) == 2


def test_formulas_in_ids_are_cells_of_text(odd, tmp_path):
    source, table = tmp_path / "in.fasta", tmp_path / "out.csv"
    source.write_text(">=HYPERLINK(1)\nMKVHC\n>+x\nMKVHC\n>plain\nMKV\n")
    assert run(["predict", str(odd), str(source), "-o", str(table)]) == 0
    assert {row["protein"] for row in csv.DictReader(table.open())} == {"'=HYPERLINK(1)", "'+x", "plain"}
    assert run(["predict", str(odd), str(source), "-o", str(tmp_path / "out.json")]) == 0
    assert '"=HYPERLINK(1)"' in (tmp_path / "out.json").read_text()


def test_escape_sequences_in_ids_do_not_reach_the_terminal(odd, tmp_path, capsys):
    source = tmp_path / "in.fasta"
    source.write_text(">a\x1b]0;owned\x07\nM1\n>b\nMKV\n")
    assert run(["predict", str(odd), str(source), "-o", str(tmp_path / "out.csv")]) == 3
    said = capsys.readouterr()
    assert "\x1b" not in said.err + said.out
    assert "\x07" not in said.err + said.out
    assert "owned" in said.err
