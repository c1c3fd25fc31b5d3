"""The runner of the benchmarks: its list, every benchmark at toy size, RESULTS.md. Nothing here looks at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = {path.stem: path.read_text() for path in sorted((ROOT / "benchmarks").glob("[!_]*.py"))}
ALONE = [name for name, source in SOURCES.items() if "\nALONE = " in source]
TOGETHER = [name for name in SOURCES if name not in ALONE]
DEAR = ("predict", "scale")
"""They train runs, or start processes."""


@pytest.fixture(scope="module")
def runner() -> Iterator[Any]:
    """The runner, of the package in the checkout."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT)
        from benchmarks import _runner

        yield _runner


def test_the_list_has_a_line_for_each_and_marks_those_that_all_runs(
    runner: Any, capsys: pytest.CaptureFixture[str]
):
    assert runner.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = {words[-1]: words for line in lines if (words := line[:18].split()) and words[-1] in SOURCES}
    assert sorted(rows) == list(SOURCES)
    assert [name for name in sorted(rows) if rows[name][0] == "*"] == TOGETHER
    assert {"accuracy", "gpu"} <= {*ALONE}


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n in DEAR)) for n in TOGETHER])
def test_at_toy_size_variants_agree_and_figures_are_told(
    runner: Any, name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    out = tmp_path / "out.jsonl"
    assert runner.main([name, "--quick", "--out", str(out)]) == 0
    told = capsys.readouterr()
    assert told.out == out.read_text()
    record = json.loads(told.out)
    assert record["benchmark"] == name
    assert record["command"] == f"python -m benchmarks {name} --quick --out {out}"
    assert record["machine"]["cores"] >= 1
    assert record["versions"]["torch"]
    assert record["figures"]
    assert "─" in told.err, "no table was drawn"


@pytest.mark.parametrize("name", SOURCES)
def test_each_says_what_it_takes(runner: Any, name: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        runner.main([name, "--help"])
    assert ended.value.code == 0
    assert "--" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["losess"], "no benchmark is called losess"),
        (["gpu", "losses"], "gpu: to be run alone"),
        (["losses", "--layers", "2", "--quick"], "unrecognized arguments: --layers 2"),
        (["losses", "--quick", "--save"], "--save: figures of a quick run mean nothing"),
    ],
)
def test_what_cannot_be_run_is_told(
    runner: Any, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as ended:
        runner.main(arguments)
    assert message in f"{ended.value.code} {capsys.readouterr().err}"


@pytest.mark.slow
def test_the_process_of_a_variant_prints_its_peak_memory(runner: Any):
    from benchmarks._harness import peak_megabytes

    _, options = runner._asked("attention", ["--quick", "--lengths", "900"])
    assert peak_megabytes(options, ["within/dense"])["within/dense"] > 0


def test_results_are_what_notes_and_saved_runs_make(runner: Any):
    from benchmarks._results import RESULTS, compose

    assert RESULTS.read_text(encoding="utf-8") == compose(), "run `python -m benchmarks --write-results`"


def test_a_benchmark_without_a_note_has_a_section_all_the_same(
    runner: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from benchmarks import _results

    monkeypatch.setattr(_results, "RUNS", tmp_path / "results")
    monkeypatch.setattr(_results, "NOTES", tmp_path / "notes")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "_head.md").write_text("# Results\n")
    (tmp_path / "notes" / "views.md").write_text("## Views of a chain\n\nNot run yet.\n")
    figures = {"cpu_s": {"Python alone": 0.03}, "ratio": {"Python alone": 1.0}}
    machine = {"cpu": "Model", "cores": 2, "arch": "x86_64", "gpu": None}
    record = {"benchmark": "startup", "command": "python -m benchmarks startup", "date": "2026-11-26", "threads": 1}
    _results.save(
        {**record, "machine": machine, "versions": {"python": "3.11.7", "e1bind": None}, "figures": figures}
    )
    title, section = _results.compose().split("## ")[1:]
    assert title.startswith("Views of a chain") != section.startswith("Views of a chain")
    text = _results.compose()
    assert "[Views of a chain](#views-of-a-chain)" in text
    assert "`python -m benchmarks startup`: Model, 2 cores (x86_64), 1 thread, python 3.11.7, 2026-11-26." in text
    assert "| Python alone | 0.03 | 1.0 |" in text


def test_a_run_that_is_kept_names_no_path_of_the_machine(
    runner: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    from benchmarks import _results

    monkeypatch.setattr(_results, "RUNS", tmp_path)
    _results.save(
        {"benchmark": "step", "command": f"python -m benchmarks step --chains {tmp_path}/a.fasta --views"}
    )
    kept = json.loads((tmp_path / "step.json").read_text())
    assert kept["command"] == "python -m benchmarks step --chains a.fasta --views"
