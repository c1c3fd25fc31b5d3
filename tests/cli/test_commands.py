"""The commands as a user runs them: real processes, exit codes, what is said and what is not loaded."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from plugin_packages import environment, run_cli, run_python
from small_specs import SMALLEST

from e1bind.readers.options import Fasta3Options

HEAVY = ("torch", "transformers", "peft", "sklearn", "matplotlib")


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "spec.toml"
    path.write_text(SMALLEST)
    Fasta3Options.example(tmp_path)  # the file that the spec names
    return path


LIGHT = ("--help", "list-plugins", "check", "new", "validate", "data", "schema", "show", "describe", "init")


@pytest.mark.parametrize("command", LIGHT)
def test_light_commands_import_nothing_heavy(command: str, spec: Path, tmp_path: Path) -> None:
    arguments = {
        "validate": ["validate", str(spec)],
        "data": ["validate", str(spec), "--data", "--set", "cv.folds=2"],
        "show": ["show", str(spec)],
        "describe": ["describe", "loss.nt-xent"],
        "init": ["init", str(tmp_path / "new.toml")],
        "check": ["check-plugin", "--help"],
        "new": ["new-plugin", "acme-losses", "--kind", "loss", "--folder", str(tmp_path)],
    }.get(command, [command])
    code = f"""
import sys
from e1bind_cli.app import run
code = run({arguments!r})
print("\\nheavy:", code, [name for name in {HEAVY!r} if name in sys.modules])
"""
    result = run_python(code)
    assert result.stdout.splitlines()[-1] == "heavy: 0 []", result.stdout + result.stderr


def test_describing_any_component_imports_nothing_heavy() -> None:
    """Also where the package that holds it imports torch as soon as it is imported."""
    code = f"""
import sys
from e1bind.plugins import discover
from e1bind_cli.app import run
codes = [run(["describe", f"{{c.kind}}.{{c.full_name}}"]) for c in discover().components()]
print("\\nheavy:", set(codes), len(codes) > 20, [name for name in {HEAVY!r} if name in sys.modules])
"""
    result = run_python(code)
    assert result.stdout.splitlines()[-1] == "heavy: {0} True []", result.stdout + result.stderr


@pytest.mark.parametrize("command", [["--help"], ["check-plugin", "--help"], ["list-plugins"]])
def test_what_reads_no_spec_builds_none_of_its_tables(command: list[str]) -> None:
    """pydantic takes longer to make the models of a spec than everything else takes together."""
    told = "print('\\nspec:', 'e1bind.spec' in sys.modules)"
    code = f"import sys\nfrom e1bind_cli.app import run\nrun({command!r})\n{told}"
    assert run_python(code).stdout.splitlines()[-1] == "spec: False"


def test_a_valid_spec_validates(spec: Path) -> None:
    result = run_cli("validate", str(spec))
    assert result.returncode == 0
    assert "is valid: data.fasta3, backbone.e1, views.masked, losses.prototype-bce" in result.stdout


def test_a_wrong_spec_is_the_users_mistake_without_a_traceback(spec: Path) -> None:
    spec.write_text(SMALLEST.replace("random_weights", "random_wieghts") + "epoch = 3\n")
    result = run_cli("validate", str(spec))
    assert result.returncode == 2
    assert "spec.toml has 2 problems:" in result.stderr
    assert "did you mean 'random_weights'?" in result.stderr
    assert "did you mean 'epochs'?" in result.stderr
    assert "Traceback" not in result.stderr


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    result = run_cli("--debug", "validate", str(tmp_path / "none.toml"))
    assert result.returncode == 2
    assert "Traceback" in result.stderr


def test_a_wrong_command_line_exits_with_2() -> None:
    result = run_cli("validate")
    assert result.returncode == 2
    assert "Missing argument" in result.stderr


def test_list_plugins_says_what_is_broken(third_parties: Path) -> None:
    result = run_cli("list-plugins", paths=(third_parties,))
    assert result.returncode == 0
    assert "broken-losses 1.0.0  broken" in result.stdout
    assert "RuntimeError: no licence file" in result.stdout
    assert "acme-losses/prototype-hinge" in result.stdout  # rival-losses has the bare name too
    assert "Needs views>=2." in result.stdout


def test_describe_shows_options_defaults_and_where_they_are_defined() -> None:
    details = json.loads(run_cli("describe", "loss.nt-xent", "--json").stdout)
    options = {o["name"]: o for o in details["options"]}
    assert options["temperature"]["default"] == "0.07"
    assert options["temperature"]["description"]
    file, line = details["target"].rsplit("(", 1)[1].rstrip(")").rsplit(":", 1)
    assert Path(file).read_text().splitlines()[int(line) - 1].startswith("class ")


def test_describe_answers_a_wrong_name() -> None:
    result = run_cli("describe", "loss.nt-xnet")
    assert result.returncode == 2
    assert "did you mean 'nt-xent'?" in result.stderr
    assert "is not KIND.NAME" in run_cli("describe", "nt-xent").stderr


def test_schema_knows_the_options_of_installed_plugins(third_parties: Path, tmp_path: Path) -> None:
    target = tmp_path / "e1bind.schema.json"
    assert run_cli("schema", "-o", str(target), paths=(third_parties,)).returncode == 0
    schema = json.loads(target.read_text())
    losses = schema["properties"]["losses"]["properties"]
    assert losses["acme-losses/prototype-hinge"]["properties"]["margin"]["exclusiveMaximum"] == 2
    assert "prototype-hinge" not in losses  # two plugins claim the bare name
    assert losses["nt-xent"]["properties"]["weight"]["minimum"] == 0
    assert schema["properties"]["backbone"]["maxProperties"] == 1


def test_show_tells_where_a_value_was_written(spec: Path) -> None:
    rows = json.loads(run_cli("show", str(spec), "--json", "--set", "training.epochs=7").stdout)
    by_path = {row["path"]: (row["value"], row["origin"]) for row in rows}
    assert by_path["training.epochs"] == (7, "--set training.epochs")
    assert by_path["training.ions"] == (["ZN"], "spec.toml")
    assert by_path["training.batch_size"] == (2, "default")
    assert run_cli("show", str(spec), "--origins").returncode == 0


def test_init_writes_a_spec_that_validates(tmp_path: Path) -> None:
    target = tmp_path / "spec.toml"
    Fasta3Options.example(tmp_path)  # the file that the spec names
    assert run_cli("init", str(target)).returncode == 0
    assert tomllib.loads(target.read_text())["training"]["ions"] == ["ZN"]
    assert run_cli("validate", str(target)).returncode == 0
    again = run_cli("init", str(target))
    assert again.returncode == 2
    assert "exists already" in again.stderr


def test_a_starter_spec_with_every_option_uncommented_still_validates(tmp_path: Path) -> None:
    target = tmp_path / "spec.toml"
    Fasta3Options.example(tmp_path)
    run_cli("init", str(target))
    lines = [
        line.removeprefix("# ") if re.match("# [a-z_]+ = ", line) else line
        for line in target.read_text().splitlines()
    ]
    target.write_text("\n".join(lines))
    result = run_cli("validate", str(target))
    assert result.returncode == 0, result.stderr


def test_output_into_a_closed_pipe_is_quiet() -> None:
    command = f"{sys.executable} -m e1bind_cli list-plugins --json | head -1"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=environment())
    assert result.stdout == "{" + os.linesep
    assert "Traceback" not in result.stderr
