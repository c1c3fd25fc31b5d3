"""From files to one raw table: TOML, `extends`, `--set`, and where each value was written."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from e1bind.errors import Problem, SpecError, UserError
from e1bind.plugins.characters import control_character
from e1bind.spec.options import SpecString
from e1bind.spec.sections import SINGLE_CHOICE

KeyPath = tuple[str, ...]


@dataclass(frozen=True)
class RawSpec:
    """A merged, unvalidated spec. `origins` maps the path of each leaf to the file, or `--set`, it came from."""

    source: str
    base_dir: Path
    table: dict[str, Any]
    origins: dict[KeyPath, str] = field(default_factory=dict)
    overrides: tuple[str, ...] = ()


def load_raw(path: Path, overrides: Sequence[str] = ()) -> RawSpec:
    """Read a spec file with everything it extends, then apply `path=value` overrides in order."""
    table, origins = _load_file(path, ())
    problems = []
    for text in overrides:
        try:
            keys, value = _parse_override(text)
            _set(table, keys, value, text)
        except ValueError as error:
            problems.append(Problem(f"--set {text}", str(error)))
        else:
            origins = {k: v for k, v in origins.items() if k[: len(keys)] != keys and keys[: len(k)] != k}
            origins |= _leaves(value, keys, f"--set {'.'.join(keys)}")
    if problems:
        raise SpecError("the command line", problems)
    return RawSpec(path.name, _resolved(path).parent, table, origins, tuple(overrides))


def _load_file(path: Path, chain: tuple[Path, ...]) -> tuple[dict[str, Any], dict[KeyPath, str]]:
    resolved = _resolved(path)
    if resolved in chain:
        raise UserError(
            f"{path}: `extends` goes round in a circle: {' -> '.join(p.name for p in (*chain, resolved))}"
        )
    own = _remember_folder(_read_toml(path), resolved.parent)
    parents = own.pop("extends", [])
    parents = [parents] if isinstance(parents, str) else parents
    if not (isinstance(parents, list) and all(isinstance(p, str) for p in parents)):
        raise SpecError(path.name, [Problem("extends", "must be the path of a spec file, or a list of paths")])
    table: dict[str, Any] = {}
    origins: dict[KeyPath, str] = {}
    for parent in parents:
        parent_table, parent_origins = _load_file(resolved.parent / str(parent), (*chain, resolved))
        _merge(table, origins, parent_table, parent_origins)
    _merge(table, origins, own, _leaves(own, (), path.name))
    return table, origins


def _resolved(path: Path) -> Path:
    if strange := control_character(str(path)):
        raise UserError(
            f"{str(path)!a} cannot be the path of a spec file: it holds the control character {strange}"
        )
    try:
        return path.resolve()
    except (OSError, RuntimeError) as error:  # an over-long name, or links that go round
        raise UserError(f"{str(path)[:200]} cannot be read: {error}") from error


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"there is no spec file {path}; `e1bind init` writes a starter") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path} is not valid TOML: {error}") from error


def _merge(
    table: dict[str, Any],
    origins: dict[KeyPath, str],
    upper: Mapping[str, Any],
    upper_origins: Mapping[KeyPath, str],
) -> None:
    """Lay `upper` over `table`. A single-choice table that names another component replaces the lower one."""
    for name in SINGLE_CHOICE:
        new, old = upper.get(name), table.get(name)
        if isinstance(new, dict) and isinstance(old, dict) and set(new) - set(old):
            del table[name]
            for key in [k for k in origins if k[0] == name]:
                del origins[key]
    _merge_tables(table, upper)
    for key in upper_origins:
        for stale in [k for k in origins if k[: len(key)] == key or key[: len(k)] == k]:
            del origins[stale]
    origins.update(upper_origins)


def _merge_tables(lower: dict[str, Any], upper: Mapping[str, Any]) -> None:
    for key, value in upper.items():
        if isinstance(value, dict) and isinstance(lower.get(key), dict):
            _merge_tables(lower[key], value)
        else:
            lower[key] = value


def _leaves(value: Any, path: KeyPath, origin: str) -> dict[KeyPath, str]:
    if not isinstance(value, dict):
        return {path: origin}
    found: dict[KeyPath, str] = {}
    for key, inner in value.items():
        found |= _leaves(inner, (*path, key), origin)
    return found


def _remember_folder(value: Any, folder: Path) -> Any:
    if isinstance(value, str):
        return SpecString(value, folder)
    if isinstance(value, dict):
        return {key: _remember_folder(inner, folder) for key, inner in value.items()}
    if isinstance(value, list):
        return [_remember_folder(inner, folder) for inner in value]
    return value


def _parse_override(text: str) -> tuple[KeyPath, Any]:
    """`a.b=3` as TOML would read `3`; what is no TOML value is taken as a string, so quotes can be left out."""
    path, equals, value_text = text.partition("=")
    keys = tuple(part.strip() for part in path.split("."))
    if not equals or not all(keys):
        raise ValueError("must look like training.epochs=3")
    try:
        value = tomllib.loads(f"value = {value_text.strip()}")["value"]
    except tomllib.TOMLDecodeError:
        value = value_text.strip()
    return keys, _remember_folder(value, Path.cwd())


def _set(table: dict[str, Any], keys: KeyPath, value: Any, text: str) -> None:
    for depth, key in enumerate(keys[:-1], start=1):
        table = table.setdefault(key, {})
        if not isinstance(table, dict):
            raise ValueError(f"{'.'.join(keys[:depth])} is a value, not a table")
    table[keys[-1]] = value
