"""What each package imports, its metadata declare."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest

PACKAGES = Path(__file__).resolve().parents[1] / "packages"
DISTRIBUTION = {
    "yaml": "pyyaml",
    "Bio": "biopython",
    "sklearn": "scikit-learn",
    "pydantic_core": "pydantic",
    "triton": "torch",
}
"""Names of distributions where the module's is another, or comes with another one."""
OWN = {"e1bind": "e1bind-core", "e1bind_losses": "e1bind-losses", "e1bind_backbones": "e1bind-backbones"}


@pytest.mark.parametrize("package", ["core", "losses", "backbones", "cli"])
def test_every_import_is_declared_and_has_a_lower_bound(package):
    folder = PACKAGES / package
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    optional = [line for lines in project.get("optional-dependencies", {}).values() for line in lines]
    declared = {re.split(r"[<>=]", line)[0].lower(): line for line in [*project["dependencies"], *optional]}
    assert [line for line in declared.values() if ">=" not in line] == []
    used = set()
    for path in (folder / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                used |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                used.add(node.module.split(".")[0])
    own = {path.name for path in (folder / "src").iterdir()}
    foreign = used - own - set(sys.stdlib_module_names)
    needed = {OWN.get(name, DISTRIBUTION.get(name, name)) for name in foreign}
    assert sorted(needed - declared.keys()) == []


def test_one_library_has_one_lower_bound():
    found: dict[str, set[str]] = {}
    for path in PACKAGES.glob("*/pyproject.toml"):
        for line in tomllib.loads(path.read_text())["project"]["dependencies"]:
            found.setdefault(re.split(r"[<>=]", line)[0], set()).add(line)
    assert {name: lines for name, lines in found.items() if len(lines) > 1} == {}
    assert found["transformers"] == {"transformers>=5.4,<6"}
