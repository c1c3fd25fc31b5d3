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
    {"errors"},
    {"files"},
    {"log"},
    {"plugins", "spec"},
    {"contracts", "scoring"},
    {"data", "views", "metrics"},
    {"runs"},
    {"engine"},
    {"inference", "report"},
    {"workflow", "builtin"},
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
