"""Imports run one way, and what must stay light does."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from plugin_packages import run_python

ROOT = Path(__file__).resolve().parents[1]
SOURCES = {
    "e1bind": ROOT / "packages/core/src/e1bind",
    "e1bind_losses": ROOT / "packages/losses/src/e1bind_losses",
    "e1bind_backbones": ROOT / "packages/backbones/src/e1bind_backbones",
    "e1bind_cli": ROOT / "packages/cli/src/e1bind_cli",
}
MAY_IMPORT = {
    "e1bind": {"e1bind"},
    "e1bind_losses": {"e1bind", "e1bind_losses"},
    "e1bind_backbones": {"e1bind", "e1bind_backbones"},
    "e1bind_cli": {"e1bind", "e1bind_cli"},
}
FLOORS = [
    {"errors", "neighbours"},
    {"files"},
    {"log"},
    {"plugins", "spec"},
    {"contracts", "scoring"},
    {"data", "views", "heads", "metrics"},
    {"structures"},
    {"readers", "runs", "curation"},
    {"engine", "baselines", "trackers"},
    {"inference", "report", "testing"},
    {"workflow", "builtin", "scaffold", "__main__"},
]
HEAVY = ("torch", "transformers", "peft", "sklearn", "matplotlib")


def modules(package: str) -> Iterator[tuple[Path, str]]:
    """Each source file with its dotted name."""
    folder = SOURCES[package]
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder.parent).with_suffix("").parts
        yield path, ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path) -> Iterator[str]:
    """Dotted names of the e1bind modules a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        yield from (name for name in names if name.split(".")[0] in SOURCES)


@pytest.mark.parametrize("package", SOURCES)
def test_packages_import_only_what_is_below_them(package: str) -> None:
    for path, _ in modules(package):
        for name in imported(path):
            assert name.split(".")[0] in MAY_IMPORT[package], f"{path} imports {name}"


def test_losses_know_contracts_alone() -> None:
    """Nothing of trainers, files or runs: `LossInputs` in, `LossOutput` out. Ranks are one file's business."""
    rooms = {"contracts", "scoring", "spec", "plugins"}
    for path, own in modules("e1bind_losses"):
        for name in imported(path):
            assert name.startswith("e1bind_losses") or name.split(".")[1] in rooms, f"{path} imports {name}"
        text = path.read_text(encoding="utf-8")
        assert "distributed" not in text or own == "e1bind_losses.contrast.ranks", f"{path} knows of ranks"
        assert not re.search(r"\bopen\(|\bPath\b|import (?:os|io|json)\b", text), f"{path} reads or writes files"


def floor(name: str) -> int:
    room = name.split(".")[1] if "." in name else ""
    return next((i for i, rooms in enumerate(FLOORS) if room in rooms), -1)


def test_core_has_one_direction() -> None:
    for path, own in modules("e1bind"):
        if own == "e1bind":
            continue
        assert floor(own) >= 0, f"{own} has no place in the plan of the house"
        for name in imported(path):
            assert floor(name) <= floor(own), f"{own} imports {name}"


def test_plugin_and_option_modules_stay_light() -> None:
    light = [
        name
        for package in SOURCES
        for _, name in modules(package)
        if name.endswith((".plugin", ".options")) or name.startswith(("e1bind.plugins", "e1bind.spec"))
    ]
    light += ["e1bind", "e1bind.builtin", "e1bind.errors", "e1bind.contracts"]
    code = f"import sys\nfor name in {light!r}: __import__(name)\nprint([m for m in {HEAVY!r} if m in sys.modules])"
    result = run_python(code)
    assert result.stdout.strip() == "[]", result.stdout + result.stderr


def test_files_stay_readable() -> None:
    """One idea per file."""
    for package in SOURCES:
        for path, _ in modules(package):
            assert len(path.read_text(encoding="utf-8").splitlines()) <= 330, f"{path} holds more than one idea"


RUN_FILES = r"""
    spec\.toml | overrides\.txt | spec\.resolved | plugins\.json | environment\.json | data\.json | training\.log
    | metrics\.jsonl? | metrics\.csv | summary\.(json|csv) | oof_preds | global_thresholds | calibration\.yaml
    | report\.html$ | fold\.json | fold_(?!mean|sd|min|max) | best_e1 | adapter_model | adapter_config | nonfinite
    | baselines\.safetensors | evaluation_ | per_protein\.csv | predictions\.csv | ^last$ | ^plots$ | ^trackers$
    | ^\.lock$ | sessions\.jsonl
"""


@pytest.mark.parametrize("room", ["engine", "inference", "report", "workflow.py"])
def test_only_the_room_of_runs_knows_what_the_files_of_a_run_are_called(room: str) -> None:
    place = SOURCES["e1bind"] / room
    for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found = re.search(RUN_FILES, node.value, re.VERBOSE)
                assert not found, f"{path}:{node.lineno} names a file of a run: {node.value!r}"


def edges(rooms: dict[str, str], package: str) -> set[tuple[str, str]]:
    """Imports between the rooms of a package."""
    found = set()
    for path, own in modules(package):
        ours = rooms.get(own.split(".")[1]) if "." in own else None
        for name in imported(path):
            parts = name.split(".")
            theirs = rooms.get(parts[1]) if parts[0] == package and len(parts) > 1 else None
            if ours and theirs and ours != theirs:
                found.add((ours, theirs))
    return found


def test_the_map_in_contributing_equals_the_imports() -> None:
    """Every line `room -> rooms` of the map is what the room imports, no more and no less."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    block = text.split("```text map\n")[1].split("```")[0]
    drawn = {}
    for line in block.splitlines():
        room, _, below = line.partition("->")
        drawn[room.split()[0]] = {name.strip() for name in below.split(",") if name.strip() not in ("", "-")}
    names = {room for floor_ in FLOORS for room in floor_}
    assert set(drawn) == names
    real: dict[str, set[str]] = {name: set() for name in names}
    for ours, theirs in edges({name: name for name in names}, "e1bind"):
        real[ours].add(theirs)
    assert drawn == real


def test_no_two_files_import_each_other() -> None:
    for package in SOURCES:
        files = {own: path for path, own in modules(package)}
        known = {own: {_module(name, files) for name in imported(path)} for own, path in files.items()}
        circles = {(a, b) for a, names in known.items() for b in names if a < b and a in known.get(b, ())}
        assert not circles, circles


def _module(name: str, files: dict[str, Path]) -> str:
    """The file that `from package.module import name` takes `name` from."""
    return name if name in files else name.rpartition(".")[0]
