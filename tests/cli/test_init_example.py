"""`e1bind init --example`: real chains and a spec that trains, out of the package; and `python -m e1bind`."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from plugin_packages import environment, run_python

from e1bind_cli.app import run


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


def test_it_writes_the_bytes_of_the_examples(root: Path, tmp_path: Path) -> None:
    assert run(["init", "--example", str(tmp_path / "x")]) == 0
    found = files_of(tmp_path / "x")
    spec = found.pop("quickstart.toml").decode()
    data = root / "examples" / "data"
    assert found == {f"data/{file.name}": file.read_bytes() for file in data.iterdir() if file.is_file()}
    wanted = (root / "examples" / "quickstart.toml").read_text()
    assert spec == wanted.replace('output_dir = "../results"', 'output_dir = "results"')


def test_what_it_prints_can_be_run_from_anywhere(tmp_path: Path, monkeypatch, capsys) -> None:
    folder = tmp_path / "my first"
    assert run(["init", "--example", str(folder)]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    commands = [shlex.split(line)[1:] for line in lines if line.startswith("e1bind ")]
    assert [words[0] for words in commands] == ["validate", "train", "predict"]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    for words in commands:
        short = ["--set", "training.epochs=1", "--set", "run.threads=1"] if words[0] == "train" else []
        assert run([*words, *short]) == 0, words
    assert (folder / "results" / "first" / "summary.json").is_file()
    assert (folder / "sites.csv").is_file()
    assert not list(elsewhere.iterdir())


def test_a_folder_that_is_not_empty_is_left_alone_without_force(tmp_path: Path, capsys) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / "quickstart.toml").write_text("old")
    assert run(["init", "--example", str(tmp_path)]) == 2
    assert "is not empty" in capsys.readouterr().err
    assert files_of(tmp_path) == {"mine.txt": b"mine", "quickstart.toml": b"old"}
    assert run(["init", "--example", str(tmp_path), "--force"]) == 0
    found = files_of(tmp_path)
    assert found["mine.txt"] == b"mine"
    assert b"schema_version" in found["quickstart.toml"]
    assert run(["init", "--example", str(tmp_path / "mine.txt")]) == 2
    assert run(["init", "spec.toml", "--example", str(tmp_path / "y")]) == 2
    assert "leave spec.toml out" in capsys.readouterr().err


def test_all_of_it_appears_or_nothing(tmp_path: Path, capsys) -> None:
    (tmp_path / "data").write_text("a file where the folder belongs")
    assert run(["init", "--example", str(tmp_path), "--force"]) == 2
    assert list(files_of(tmp_path)) == ["data"]


def test_python_m_e1bind_is_the_command_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "e1bind", "init", "--example", str(tmp_path / "x")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment())
    assert done.returncode == 0, done.stderr
    assert "e1bind train" in done.stdout
    assert subprocess.run([sys.executable, "-m", "e1bind", "nothing"], env=environment()).returncode == 2


@pytest.mark.parametrize("arguments", [[], ["train", "spec.toml"]])
def test_python_m_e1bind_without_the_command_line_says_what_to_install(arguments: list[str]) -> None:
    """Core alone: no package of this environment but the standard library and core's own folder is visible."""
    import e1bind

    source = Path(e1bind.__file__).parents[1]
    code = f"import runpy, sys\nsys.path.append({str(source)!r})\nsys.argv = ['e1bind', *{arguments!r}]\n"
    code += "runpy.run_module('e1bind', run_name='__main__', alter_sys=True)"
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, env=environment())
    assert done.returncode == 2
    assert "pip install e1bind" in done.stderr
    assert "Traceback" not in done.stderr


def test_python_m_e1bind_loads_nothing_that_the_command_does_not() -> None:
    heavy = ("torch", "numpy", "transformers")
    code = f"""
import atexit, runpy, sys
sys.argv = ["e1bind", "--help"]
atexit.register(lambda: print("heavy:", [name for name in {heavy!r} if name in sys.modules]))
runpy.run_module("e1bind", run_name="__main__", alter_sys=True)
"""
    assert "heavy: []" in run_python(code).stdout
