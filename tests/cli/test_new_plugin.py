"""`e1bind new-plugin`: what it writes keeps its contracts, installs and trains before anybody has changed it."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from plugin_packages import environment, install, run_cli

from e1bind.testing.plugin import check_plugin
from e1bind_cli.app import run as e1bind

KINDS = ("loss", "view-generator", "backbone", "head", "metric", "reader", "baseline", "calibration", "tracker")


def new(folder: Path, name: str, *kinds: str, more: tuple[str, ...] = ()) -> int:
    words = [word for kind in kinds for word in ("--kind", kind)]
    return e1bind(["new-plugin", name, *words, "--folder", str(folder), *more])


QUICK = ("loss", "reader")
"""Kinds that are tried among the quick tests; all are among the slow ones, as are their runs."""


@pytest.mark.parametrize(
    "kind", [kind if kind in QUICK else pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS]
)
def test_a_single_file_keeps_its_contract_and_its_spec_is_valid(tmp_path, kind) -> None:
    name = f"own-{kind}-file"
    assert new(tmp_path, name, kind, more=("--local",)) == 0
    file = tmp_path / f"{name.replace('-', '_')}.py"
    (checked,) = check_plugin(str(file))
    broken = {o.check.name: o.why for o in checked.outcomes if o.status == "fail"}
    assert not broken
    assert e1bind(["validate", str(file.with_suffix(".toml")), "--build"]) == 0


def test_all_kinds_in_one_file(tmp_path) -> None:
    assert new(tmp_path, "whole-file", *KINDS, more=("--local",)) == 0
    assert e1bind(["validate", str(tmp_path / "whole_file.toml"), "--build"]) == 0


def test_what_is_written_is_formatted_as_the_project_itself(tmp_path, root) -> None:
    assert new(tmp_path, "tidy-things", *KINDS) == 0
    assert new(tmp_path, "tidy-file", *KINDS, more=("--local",)) == 0
    for word in ("check", "format"):
        command = [sys.executable, "-m", "ruff", word, "--config", str(root / "pyproject.toml"), str(tmp_path)]
        result = subprocess.run(
            [*command, *(["--diff"] if word == "format" else [])], capture_output=True, text=True
        )
        assert result.returncode == 0, result.stdout + result.stderr


def test_plugin_and_options_of_a_package_import_nothing_heavy(tmp_path) -> None:
    assert new(tmp_path, "light-things", *KINDS) == 0
    for file in ("plugin.py", "options.py"):
        tree = ast.parse((tmp_path / "light-things" / "src" / "light_things" / file).read_text())
        modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert modules <= {"pydantic", "e1bind.spec", "e1bind.plugins"}


@pytest.mark.parametrize(
    ("name", "more", "message"),
    [
        ("Acme_Losses", (), "for example acme-losses"),
        ("-", (), "is no normal name of a package"),
        ("acme losses", (), "is no normal name of a package"),
        ("../acme", (), "is no normal name of a package"),
        ("e1bind-losses", (), "the project's own"),
        ("3d-losses", (), "makes no module name"),
        ("class", (), "makes no module name"),
        ("json", (), "would hide the module 'json'"),
        ("acme-losses", ("--component", "Hinge"), "is not lower-case words"),
        ("acme-losses", ("--component", "nt-xent"), "e1bind has a loss 'nt-xent'"),
        ("acme-losses", ("--component", "mine", "--kind", "metric"), "goes with one kind"),
    ],
)
def test_names_are_checked(tmp_path, capsys, name, more, message) -> None:
    assert e1bind(["new-plugin", "--kind", "loss", "--folder", str(tmp_path), *more, "--", name]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(tmp_path, capsys) -> None:
    (tmp_path / "acme-losses").mkdir()
    (tmp_path / "acme-losses" / "mine.txt").write_text("mine")
    assert new(tmp_path, "acme-losses", "loss") == 2
    assert "exists already and is not empty" in capsys.readouterr().err
    (tmp_path / "my_loss.toml").write_text("mine")
    assert new(tmp_path, "my-loss", "loss", more=("--local",)) == 2
    assert not (tmp_path / "my_loss.py").exists()
    assert (tmp_path / "my_loss.toml").read_text() == "mine"


@pytest.mark.slow
@pytest.mark.parametrize("kinds", [("loss",), KINDS], ids=["loss", "all"])
def test_a_package_installs_lists_passes_its_tests_and_trains(tmp_path, kinds) -> None:
    assert new(tmp_path, "acme-things", *kinds) == 0
    package, site = tmp_path / "acme-things", tmp_path / "site"
    shutil.copytree(package, tmp_path / "built")  # building leaves folders behind
    install(site, tmp_path / "built")
    listed = json.loads(run_cli("list-plugins", "--json", paths=(site,)).stdout)
    assert len([c for c in listed["components"] if c["full_name"].startswith("acme-things/")]) == len(kinds)
    checked = run_cli("check-plugin", "acme-things", "--json", paths=(site,))
    assert checked.returncode == 0, checked.stdout
    assert json.loads(checked.stdout)["ok"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    tests = subprocess.run(command, cwd=package, env=environment(site), capture_output=True, text=True)
    assert tests.returncode == 0, tests.stdout
    trained = run_cli("train", "spec.toml", "--run-id", "first", paths=(site,), cwd=package)
    assert trained.returncode == 0, trained.stderr
    assert (package / "results" / "first" / "summary.json").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_single_file_trains(tmp_path, kind) -> None:
    assert new(tmp_path, "own-thing", kind, more=("--local",)) == 0
    trained = run_cli("train", "own_thing.toml", "--run-id", "first", cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr
    assert (tmp_path / "results" / "first" / "summary.json").is_file()
