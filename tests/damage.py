"""What can happen to a file: cut off, bits flipped, gone, swapped, replaced by a folder, or wrong inside."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

Damage = Callable[[Path, Path], bool]
"""Damages a file of a run (the second path) in place; False where it does not apply to that file."""


def emptied(file: Path, run: Path) -> bool:
    file.write_bytes(b"")
    return True


def cut_in_half(file: Path, run: Path) -> bool:
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    return len(content) > 1


def flip(place: float) -> Damage:
    def flipped(file: Path, run: Path) -> bool:
        content = bytearray(file.read_bytes())
        if not content:
            return False
        content[int(place * (len(content) - 1))] ^= 1 << (len(content) % 7)
        file.write_bytes(bytes(content))
        return True

    return flipped


def deleted(file: Path, run: Path) -> bool:
    file.unlink()
    return True


def swapped(file: Path, run: Path) -> bool:
    """With the same file of the other fold."""
    parts = file.relative_to(run).parts
    if parts[0] not in ("fold_1", "fold_2"):
        return False
    other = run.joinpath({"fold_1": "fold_2", "fold_2": "fold_1"}[parts[0]], *parts[1:])
    if not other.is_file():
        return False
    content = file.read_bytes()
    file.write_bytes(other.read_bytes())
    other.write_bytes(content)
    return True


def a_folder(file: Path, run: Path) -> bool:
    file.unlink()
    file.mkdir()
    return True


WRONG: dict[str, Any] = {
    "a number": 3,
    "a list": [],
    "a text": "x",
    "null": None,
    "a table": {"x": {}},
    "300 digits": 10**300,
    "less than nothing": -1,
}


def wrong_type(kind: str, place: int) -> Damage:
    """The value of the `place`-th key (and of the same key of every table below) is of another type."""

    def changed(file: Path, run: Path) -> bool:
        text = _structured(file)
        if text is None:
            return False
        leaves = list(_leaves(text))
        if not leaves:
            return False
        table, key = leaves[place % len(leaves)]
        if table[key] == WRONG[kind] and type(table[key]) is type(WRONG[kind]):
            return False
        table[key] = WRONG[kind]
        _write(file, text)
        return True

    return changed


def renamed_key(file: Path, run: Path) -> bool:
    text = _structured(file)
    if not isinstance(text, dict) or not text:
        return False
    key = next(iter(text))
    text["renamed"] = text.pop(key)
    _write(file, text)
    return True


def nested(file: Path, run: Path) -> bool:
    if _structured(file) is None:
        return False
    file.write_text("[" * 5000 + "]" * 5000)
    return True


def _structured(file: Path) -> Any:
    if file.suffix not in (".json", ".jsonl", ".yaml"):
        return None
    text = file.read_text()
    if file.suffix == ".jsonl":
        return [json.loads(line) for line in text.splitlines()]
    return json.loads(text) if file.suffix == ".json" else yaml.safe_load(text)


def _write(file: Path, value: Any) -> None:
    if file.suffix == ".jsonl":
        file.write_text("".join(json.dumps(row) + "\n" for row in value))
    else:
        file.write_text(json.dumps(value) if file.suffix == ".json" else yaml.safe_dump(value))


def _leaves(value: Any) -> Any:
    """(table, key) of everything in a structure, outer things first."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    items = list(items)
    yield from ((value, key) for key, _ in items)
    for _, inner in items:
        yield from _leaves(inner)


BYTES: dict[str, Damage] = {
    "emptied": emptied,
    "cut in half": cut_in_half,
    "first bits": flip(0.02),
    "bits in the middle": flip(0.5),
    "last bits": flip(0.97),
    "deleted": deleted,
    "swapped": swapped,
    "a folder": a_folder,
}
INSIDE: dict[str, Damage] = {
    "renamed key": renamed_key,
    "nested": nested,
    **{f"{kind} at {place}": wrong_type(kind, place) for kind in WRONG for place in (0, 3, 12, 31)},
}


def damaged_copy(run: Path, target: Path, name: str, damage: Damage) -> Path | None:
    """A copy of a run with one file damaged; None where the damage does not apply."""
    shutil.rmtree(target, ignore_errors=True)
    copy = Path(shutil.copytree(run, target / run.name))
    return copy if damage(copy / name, copy) else None
