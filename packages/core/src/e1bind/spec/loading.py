"""From files to one raw table: TOML, `extends`, `--set`, and where each value was written."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from e1bind.errors import Problem, SpecError, UserError
from e1bind.spec.limits import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_FILES,
    TOO_DEEP,
    TOO_LONG_NUMBER,
    dotted,
    path_fault,
    value_problems,
)
from e1bind.spec.options import SpecString
from e1bind.spec.sections import SINGLE_CHOICE

KeyPath = tuple[str, ...]
SET = "--set "
"""How the origin of a value from the command line begins."""


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
    table, origins = _load_file(path, (), [])
    problems = []
    for text in overrides:
        try:
            keys, value = parse_override(text)
            _set(table, keys, value, text)
        except ValueError as error:
            problems.append(Problem(f"--set {dotted([text])}", str(error)))
        else:
            origins = {k: v for k, v in origins.items() if k[: len(keys)] != keys and keys[: len(k)] != k}
            origins |= _leaves(value, keys, f"{SET}{'.'.join(keys)}")
    if problems:
        raise SpecError("the command line", problems)
    return RawSpec(path.name, _resolved(path).parent, table, origins, tuple(overrides))


def _load_file(path: Path, chain: tuple[Path, ...], read: list[Path]) -> tuple[dict[str, Any], dict[KeyPath, str]]:
    """The table of a file with all it extends, each file of which is added to `read`."""
    resolved = _resolved(path)
    if resolved in chain:
        raise UserError(
            f"{path}: `extends` goes round in a circle: {' -> '.join(p.name for p in (*chain, resolved))}"
        )
    read.append(resolved)
    if len(read) > MAX_FILES:
        raise UserError(f"{read[0]}: `extends` leads to more than {MAX_FILES} files; extend fewer, larger ones")
    own = _remember_folder(_read_toml(path), resolved.parent)
    parents = own.pop("extends", [])
    parents = [parents] if isinstance(parents, str) else parents
    if not (isinstance(parents, list) and all(isinstance(p, str) for p in parents)):
        raise SpecError(path.name, [Problem("extends", "must be the path of a spec file, or a list of paths")])
    table: dict[str, Any] = {}
    origins: dict[KeyPath, str] = {}
    for parent in parents:
        if fault := path_fault(parent):
            raise SpecError(path.name, [Problem("extends", fault)])
        parent_table, parent_origins = _load_file(resolved.parent / str(parent), (*chain, resolved), read)
        _merge(table, origins, parent_table, parent_origins)
    _merge(table, origins, own, _leaves(own, (), path.name))
    return table, origins


def _resolved(path: Path) -> Path:
    fault = path_fault(str(path))
    if fault is None:
        try:
            return path.resolve()
        except (OSError, RuntimeError) as error:  # RuntimeError: links that go round
            fault = str(error)
    raise UserError(f"the spec file cannot be read: {fault}")


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise UserError(f"{path} is larger than {MAX_BYTES // 2**20} MiB: this is no spec file")
        text = content.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
        table = tomllib.loads(text)
    except FileNotFoundError:
        raise UserError(f"there is no spec file {path}; `e1bind init` writes a starter") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path} is not valid TOML: {error}") from error
    except RecursionError:
        raise SpecError(path.name, [Problem("the file", TOO_DEEP)]) from None
    except ValueError:  # Python's own limit on digits, which tomllib passes on
        raise SpecError(path.name, [Problem("the file", TOO_LONG_NUMBER)]) from None
    if problems := value_problems(table):
        raise SpecError(path.name, problems)
    return table


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
    # A leaf of the lower spec is gone where a leaf of the upper one stands at, above or below its place.
    above = {key[:length] for key in upper_origins for length in range(len(key) + 1)}
    for key in [k for k in origins if k in above or any(k[:n] in upper_origins for n in range(len(k)))]:
        del origins[key]
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


def parse_override(text: str) -> tuple[KeyPath, Any]:
    """`a.b=3` as TOML would read `3`; what is no TOML value is taken as a string, so quotes can be left out."""
    path, equals, value_text = text.partition("=")
    keys = tuple(part.strip() for part in path.split("."))
    if not equals or not all(keys):
        raise ValueError("must look like training.epochs=3")
    if any("\ud800" <= char <= "\udfff" for char in text):  # how Python writes bytes of arguments it cannot decode
        raise ValueError("is not UTF-8 text")
    if len(keys) > MAX_DEPTH:
        raise ValueError(TOO_DEEP)
    try:
        value = tomllib.loads(f"value = {value_text.strip()}")["value"]
    except tomllib.TOMLDecodeError:
        value = value_text.strip()
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
    except ValueError:
        raise ValueError(TOO_LONG_NUMBER) from None
    whole = value
    for key in reversed(keys):
        whole = {key: whole}
    if problems := value_problems(whole):
        raise ValueError(problems[0].message)
    return keys, _remember_folder(value, Path.cwd())


def _set(table: dict[str, Any], keys: KeyPath, value: Any, text: str) -> None:
    for depth, key in enumerate(keys[:-1], start=1):
        table = table.setdefault(key, {})
        if not isinstance(table, dict):
            raise ValueError(f"{'.'.join(keys[:depth])} is a value, not a table")
    table[keys[-1]] = value
