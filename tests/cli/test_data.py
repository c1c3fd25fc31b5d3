"""`e1bind data`: chains counted and checked from the command line, without torch."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from plugin_packages import run_python
from small_specs import SMALLEST

from e1bind_cli.app import run as e1bind


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """A spec of a table with two ions."""
    table = '[data.table]\ntrain = "t.csv"\ntest = "u.csv"'
    text = SMALLEST.replace('[data.fasta3]\ntrain = "{ion}_train.fasta"', table)
    (tmp_path / "t.csv").write_text("id,sequence,ZN,CA\na,MKHC,0011,0100\nb,MKHC,0001,\n")
    (tmp_path / "u.csv").write_text("id,sequence,ZN,CA\nc,MKHC,0011,0100\n")
    path = tmp_path / "spec.toml"
    path.write_text(text)
    return path


def ions(*names: str) -> list[str]:
    return ["--set", f"training.ions={json.dumps(names)}"]


def test_counts_are_printed_and_given_as_json(spec, capsys, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert e1bind(["data", "stats", str(spec), *ions("ZN", "CA")]) == 0
    told = capsys.readouterr()
    assert "2 chains in all" in told.out
    assert "C 67  H 33" in told.out
    assert "warning: 2 chains share their sequence" in told.err
    assert max(map(len, told.out.splitlines())) <= 80
    assert e1bind(["data", "stats", str(spec), *ions("ZN", "CA"), "--split", "test", "--json"]) == 0
    counted = json.loads(capsys.readouterr().out)
    assert counted["ions"]["CA"]["binding"] == 1
    assert counted["together"]["ZN+CA"] == {"chains": 1, "binding_both": 0}


def test_all_problems_of_all_files_are_told_at_once(spec, capsys) -> None:
    assert e1bind(["data", "check", str(spec), *ions("ZN", "CA")]) == 0
    assert "train: 2 chains of ZN, CA are as they should be" in capsys.readouterr().out
    (spec.parent / "t.csv").write_text("id,sequence,ZN,CA\na,MKHC,001,0100\nb,MKH*,0001,0000\n")
    (spec.parent / "u.csv").write_text("id,sequence,ZN,CA\nc,MKHC,0011,0x00\n")
    assert e1bind(["data", "check", str(spec), *ions("ZN", "CA", "MG")]) == 2
    told = capsys.readouterr().err
    wanted = ("row 1: a: 4 residues but 3 labels", "row 2: b: letter '*'", "row 1: c: label 'x'", "no column 'MG'")
    assert [message for message in wanted if message not in told] == []


def test_nothing_heavy_is_imported(spec) -> None:
    heavy = "[name for name in ('torch', 'transformers', 'sklearn', 'matplotlib') if name in sys.modules]"
    code = f"import sys\nfrom e1bind_cli.app import run\nrun(['data', 'stats', {str(spec)!r}])\nprint({heavy})"
    assert run_python(code).stdout.splitlines()[-1] == "[]"


def test_a_figure_is_drawn_in_the_format_of_its_name(spec, capsys) -> None:
    for ending, begins in ((".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")):
        path = spec.parent / f"chains{ending}"
        assert e1bind(["data", "stats", str(spec), *ions("ZN", "CA"), "--figure", str(path)]) == 0
        assert path.read_bytes().startswith(begins)
        first = path.read_bytes()
        assert e1bind(["data", "stats", str(spec), *ions("ZN", "CA"), "--figure", str(path)]) == 0
        assert path.read_bytes() == first
    capsys.readouterr()
    assert e1bind(["data", "stats", str(spec), "--figure", str(spec.parent / "chains.jpg")]) == 2
    assert "a figure ends in .png, .svg, .pdf" in capsys.readouterr().err


def test_groups_are_found_divided_and_compared(spec, capsys) -> None:
    folder = spec.parent
    draw = random.Random(0)
    rows = []
    for i in range(9):
        sequence = "".join(draw.choices("ACDEFGHIKLMNPQRSTVWY", k=60 + i))
        rows.append(f"c{i},{sequence},{'01' * 30 + '0' * i},")
    (folder / "t.csv").write_text("\n".join(["id,sequence,ZN,CA", *rows, ""]))
    clusters = folder / "clusters.tsv"
    words = ["--method", "words"]
    assert e1bind(["data", "cluster", str(spec), "-o", str(clusters), *words]) == 0
    assert "10 chains (10 sequences)" in capsys.readouterr().out
    manifest = json.loads((folder / "clusters.tsv.json").read_text())
    assert (manifest["method"], manifest["identity"], manifest["coverage_of_either"]) == ("words", 0.3, 0.8)
    assert e1bind(["data", "split", str(spec), "-o", str(folder / "d"), *words, "--test-share", "0.3"]) == 0
    assert "none of which is parted" in capsys.readouterr().out
    counts = json.loads((folder / "d" / "split.json").read_text())
    assert sum(counts["chains"].values()) == 9
    train, test = folder / "d" / "ZN_train.fasta", folder / "d" / "ZN_test.fasta"
    assert e1bind(["data", "overlap", str(test), str(train), *words]) == 0
    capsys.readouterr()
    assert e1bind(["data", "overlap", str(train), str(train), *words, "--json"]) == 3
    found = json.loads(capsys.readouterr().out)
    assert found["ids"] == found["sequences"] == found["homologs"]
    assert len(found["ids"]) == found["ions"][0]["chains"] == counts["chains"]["train"]
    for wrong, said in (
        (["overlap", str(test)], "name a second file"),
        (["overlap", str(test), str(train), "--method", "blast"], "there is no such method"),
        (["cluster", str(test), "-o", str(folder)], "is a folder"),
    ):
        assert e1bind(["data", *wrong]) == 2
        assert said in capsys.readouterr().err


def test_alignments_need_the_program(spec, capsys, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(spec.parent))
    (spec.parent / "db.fasta").write_text(">a\nMKHC\n")
    assert (
        e1bind(["data", "msa", str(spec), "--db", str(spec.parent / "db.fasta"), "-o", str(spec.parent / "m")]) == 2
    )
    assert "building alignments needs the program MMseqs2" in capsys.readouterr().err
