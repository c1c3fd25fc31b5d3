"""`predict`, `evaluate`, `compare` and `report` as a user runs them: exit codes, streams, files."""

from __future__ import annotations

import csv
import gzip
import io
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from launching import E1BIND
from plugin_packages import environment, run_python
from small_runs import call

COMMANDS = ("predict", "evaluate", "compare", "report")


def test_help_imports_nothing_heavy() -> None:
    heavy = ("torch", "transformers", "peft", "sklearn", "matplotlib", "pyarrow", "gemmi", "numpy")
    code = f"""
import sys
from e1bind_cli.app import run
codes = [run([command, "--help"]) for command in {COMMANDS!r}]
print("\\nheavy:", codes, [name for name in {heavy!r} if name in sys.modules])
"""
    result = run_python(code)
    assert result.stdout.splitlines()[-1] == "heavy: [0, 0, 0, 0] []", result.stdout + result.stderr


def test_predict_writes_a_table_and_says_so_on_standard_error(trained, fasta, tmp_path, capsys):
    assert call("predict", trained, fasta, "-o", tmp_path / "out" / "o.csv", "--device", "cpu", "--threads", 1) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "2 chains, 19 residues" in said.err
    assert len(list(csv.DictReader((tmp_path / "out" / "o.csv").open()))) == 19


def test_predict_from_standard_input_to_standard_output(trained, fasta, monkeypatch, capsysbinary):
    packed = io.BufferedReader(io.BytesIO(gzip.compress(fasta.read_bytes())))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(packed))
    assert call("predict", trained, "-", "--format", "tsv", "--device", "cpu") == 0
    lines = capsysbinary.readouterr().out.decode().splitlines()
    assert lines[0].split("\t")[:3] == ["protein", "position", "amino_acid"]
    assert len(lines) == 20


def test_exit_code_3_says_that_records_were_left_out(trained, fasta, tmp_path, capsys):
    fasta.write_text(">a\nMKVHC\n>the_bad_one\nM1V\n>c\nMKVHC\n")
    assert call("predict", trained, fasta, "-o", tmp_path / "o.csv", "--device", "cpu") == 3
    said = capsys.readouterr().err
    assert "the_bad_one" in said
    assert "1 records were left out" in said
    assert {row["protein"] for row in csv.DictReader((tmp_path / "o.csv").open())} == {"a", "c"}
    assert call("predict", trained, fasta, "-o", tmp_path / "s.csv", "--device", "cpu", "--strict") == 2
    assert not (tmp_path / "s.csv").exists()


STRUCTURE = "".join(
    f"ATOM  {i + 1:5}  CA  {name} A{i + 1:4}    {3.8 * i:8.3f}{0:8.3f}{0:8.3f}  1.00 20.00           C  \n"
    for i, name in enumerate(["MET", "LYS", "VAL", "HIS", "CYS", "ASP", "GLU", "ALA", "CYS", "GLY", "HIS", "LYS"])
)


def test_a_structure_is_coloured_with_or_without_sequences(trained, fasta, tmp_path, capsys):
    model = tmp_path / "model.pdb"
    model.write_text(STRUCTURE + "END\n")
    for source, target in (([fasta], tmp_path / "one"), ([], tmp_path / "two")):
        arguments = ["predict", trained, *source, "--structure", model, "-o", target / "o.csv", "--device", "cpu"]
        assert call(*arguments) == 0
        assert {f.name for f in target.iterdir()} == {"o.csv", "model_ZN.pdb", "model_ZN.cxc", "model_ZN.pml"}
        rows = {int(r["position"]): r for r in csv.DictReader((target / "o.csv").open()) if r["protein"] != "b"}
        lines = (target / "model_ZN.pdb").read_text().splitlines()[:12]
        assert [float(line[60:66]) for line in lines] == pytest.approx(
            [float(rows[i + 1]["probability"]) for i in range(12)], abs=0.005
        )
        assert "chain A: 12 residues of" in capsys.readouterr().err


def test_a_structure_with_another_sequence_is_an_error(trained, fasta, tmp_path, capsys):
    model = tmp_path / "model.pdb"
    model.write_text(STRUCTURE.replace("HIS", "TRP") + "END\n")
    assert call("predict", trained, fasta, "--structure", model, "-o", tmp_path / "o.csv", "--device", "cpu") == 2
    assert "the structure has another sequence" in capsys.readouterr().err
    assert not (tmp_path / "o.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predict", "{nowhere}", "{fasta}"], "there is no run directory"),
        (["predict", "{tmp}", "{fasta}"], "no run directory"),
        (["predict", "{unfinished}", "{fasta}"], "unfinished run"),
        (["predict", "{run}", "{nowhere}"], "no such file"),
        (["predict", "{run}", "{fasta}", "--device", "tpu"], "no such device"),
        (["predict", "{run}"], "name an input"),
        (["predict", "{run}", "-", "--structure", "{tmp}/x.pdb"], "not on standard input"),
        (["evaluate", "{run}"], "name the test data"),
        (["evaluate", "{unfinished}", "--data", "{fasta}"], "unfinished run"),
        (["compare", "{run}"], "two runs or more"),
        (["report", "{tmp}"], "no run directory"),
    ],
)
def test_mistakes_are_told_in_a_few_lines_without_a_traceback(arguments, message, trained, fasta, tmp_path, capsys):
    unfinished = Path(shutil.copytree(trained, tmp_path / "unfinished"))
    (unfinished / "fold_2" / "fold.json").unlink()
    names = {"nowhere": tmp_path / "x", "fasta": fasta, "tmp": tmp_path, "run": trained, "unfinished": unfinished}
    assert call(*(argument.format(**names) for argument in arguments)) == 2
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said
    assert said.count("\n") < 20


def test_evaluate_prints_a_table_and_compare_shows_it(trained, tmp_path, capsys):
    one, two = (Path(shutil.copytree(trained, tmp_path / name)) for name in ("one", "two"))
    data = tmp_path / "new.fasta"
    data.write_text(">n\nMKVHCDEACGHKLLPW\n0001100001100000\n>m\nMKVHCDEACGHKLLPW\n0001100001100000\n")
    assert call("evaluate", one, "--data", data, "--resamples", 20, "--device", "cpu") == 0
    said = capsys.readouterr().out
    assert "ZN: 2 chains, 32 residues, 8 binding" in said
    assert "95 % interval" in said
    assert (one / "evaluation_new" / "metrics.csv").exists()
    assert call("compare", one, two, "-o", tmp_path / "cmp") == 0
    assert "auprc" in capsys.readouterr().out
    assert "test new" in (tmp_path / "cmp" / "comparison.csv").read_text().splitlines()[0]


def test_report_draws_the_page_again(trained, tmp_path):
    one = Path(shutil.copytree(trained, tmp_path / "one"))
    assert call("report", one) == 0
    assert (one / "report.html").stat().st_size > 100_000


@pytest.mark.slow
def test_ctrl_c_leaves_the_table_that_was_there_and_says_so(trained: Path, tmp_path: Path) -> None:
    """The chains come through a pipe that stays open, so that prediction is under way when the signal comes."""
    table = tmp_path / "sites.csv"
    table.write_text("of yesterday\n")
    process = subprocess.Popen(
        [*E1BIND, "predict", str(trained), "-", "-o", str(table)],
        env=environment(env={"OMP_NUM_THREADS": "1"}),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stderr is not None
    process.stdin.write(">a\nMKVHCDEACGHK\n")
    process.stdin.flush()
    said = process.stderr.readline()
    assert "random weights" in said
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=60)
    assert process.returncode == 130, rest
    assert "interrupted; no table was written" in rest
    assert "Traceback" not in rest
    assert [file.name for file in tmp_path.iterdir()] == ["sites.csv"]
    assert table.read_text() == "of yesterday\n"
