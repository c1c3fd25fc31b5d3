"""`embed` and `export` as a user runs them: exit codes, what is said where, files."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from plugin_packages import run_python
from safetensors.numpy import load_file
from small_runs import call


def test_help_imports_nothing_heavy() -> None:
    heavy = ("torch", "transformers", "peft", "pyarrow", "numpy", "safetensors")
    code = f"""
import sys
from e1bind_cli.app import run
codes = [run([command, "--help"]) for command in ("embed", "export")]
print("\\nheavy:", codes, [name for name in {heavy!r} if name in sys.modules])
"""
    assert run_python(code).stdout.splitlines()[-1] == "heavy: [0, 0] []"


def test_embed_says_whose_embeddings_it_wrote(trained, fasta, tmp_path, capsys):
    assert call("embed", trained, fasta, "-o", tmp_path / "e.safetensors", "--fold", 2, "--device", "cpu") == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert f"fold 2 of {trained.name}, final hidden states, E1, random weights" in said.err
    assert "2 chains, 19 residues" in said.err
    assert {name: v.shape for name, v in load_file(tmp_path / "e.safetensors").items()} == {
        "a": (12, 64),
        "b": (7, 64),
    }


def test_embed_takes_a_spec_and_leaves_bad_records_out(trained, fasta, tmp_path, capsys):
    fasta.write_text(">a\nMKVHC\n>the_bad_one\nM1V\n")
    spec, target = trained.parents[1] / "spec.toml", tmp_path / "e.safetensors"
    assert call("embed", spec, fasta, "-o", target, "--device", "cpu", "--set", "run.seed=2") == 3
    said = capsys.readouterr().err
    assert "the_bad_one" in said
    assert "1 records were left out" in said
    assert "final hidden states, not adapted, E1" in said
    assert list(load_file(target)) == ["a"]


def test_export_names_the_files_it_wrote(trained, tmp_path, capsys):
    assert call("export", trained, "--fold", 1, "--merged", tmp_path / "m") == 0
    said = capsys.readouterr().err
    assert set(os.listdir(tmp_path)) == {"m"}
    for name in ("README.md", "config.json", "model.safetensors", "heads.pt", "global_thresholds.yaml"):
        assert f"wrote {tmp_path / 'm' / name}" in said
    assert "Writing model shards" not in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["embed", "{nowhere}", "{fasta}", "-o", "{tmp}/e.safetensors"], "no run directory and no spec file"),
        (["embed", "{run}", "{fasta}", "-o", "{tmp}/e.npz"], "ends in .safetensors"),
        (["embed", "{run}", "{fasta}", "-o", "{tmp}/e.safetensors", "--fold", "9"], "have no mean"),
        (["embed", "{unfinished}", "{fasta}", "-o", "{tmp}/e.safetensors"], "unfinished run"),
        (["embed", "{run}", "-", "-o", "{tmp}/e.safetensors"], "not standard input"),
        (["export", "{nowhere}", "--fold", "1", "--merged", "{tmp}/m"], "there is no run directory"),
        (["export", "{run}", "--fold", "9", "--merged", "{tmp}/m"], "--fold 9"),
        (["export", "{run}", "--fold", "1", "--merged", "{tmp}"], "is not empty"),
        (["export", "{run}", "--merged", "{tmp}/m"], "--fold"),
    ],
)
def test_mistakes_are_told_in_a_few_lines_and_leave_nothing(arguments, message, trained, fasta, tmp_path, capsys):
    unfinished = Path(shutil.copytree(trained, tmp_path / "unfinished"))
    (unfinished / "fold_2" / "fold.json").unlink()
    names = {"nowhere": tmp_path / "x", "fasta": fasta, "tmp": tmp_path, "run": trained, "unfinished": unfinished}
    assert call(*(argument.format(**names) for argument in arguments)) == 2
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said
    assert sorted(os.listdir(tmp_path)) == ["in.fasta", "unfinished"]
