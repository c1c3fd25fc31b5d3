"""Runs without their seals, as they were before there were any, so that what lies behind a seal is tested."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

KEYS = {"summary.json": ("format", "files", "sha256"), "data.json": ("format", "files", "sha256", "forced")}


def unseal(run: Path) -> Path:
    """Take the seals off all records of a run."""
    for name, keys in KEYS.items():
        rewrite(run / name, lambda table, keys=keys: [table.pop(key, None) for key in keys])
    for done in run.glob("fold_*/fold.json"):
        rewrite(done, lambda table: [table.pop(key, None) for key in ("files", "sha256", "spec")])
        rewrite(done, lambda table: table.update(format=1))
    return run


def rewrite(path: Path, edit: Any) -> None:
    """Change a JSON file in place, if it is there."""
    if path.exists():
        table = json.loads(path.read_text())
        edit(table)
        path.write_text(json.dumps(table))


def reseal(path: Path, edit: Any) -> None:
    """Change a sealed JSON file in place, as somebody would who knows how it is sealed."""
    from e1bind.runs.seals import seal_of

    table = json.loads(path.read_text())
    edit(table)
    table.pop("sha256", None)
    path.write_text(json.dumps({**table, "sha256": seal_of(table)}))
