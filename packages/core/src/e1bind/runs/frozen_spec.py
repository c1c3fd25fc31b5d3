"""The spec that is frozen in a run, and the code that came with it.

A run may name single-file plugins, and a checkpoint whose code transformers is to run. Whoever made the run chose
both, so neither is imported unless the user says that the run is to be trusted; they are told before any import.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e1bind.errors import RunError, SpecError
from e1bind.files.reading import digest, json_value, parsing, read_bytes
from e1bind.plugins import PluginPolicy, discover
from e1bind.runs.digests import advising, from_a_copy
from e1bind.runs.fingerprints import spec_fingerprint, unwatched
from e1bind.runs.layout import RunDir
from e1bind.runs.schemas import Begun
from e1bind.runs.seals import read_sealed
from e1bind.spec import Chosen, RunSpec
from e1bind.spec.loading import RawSpec
from e1bind.spec.older import completed
from e1bind.spec.options import SpecString
from e1bind.spec.validation import chosen_alone, validate_spec

TRUST = "--trust-run-code"
_REMOTE, _VERSION = "trust_remote_code", "schema_version"


@dataclass(frozen=True)
class Code:
    """Code that using a run would execute: why, and the file with its SHA-256 (None where it is not here)."""

    reason: str
    file: str
    sha256: str | None


def frozen_table(run: RunDir) -> dict[str, Any]:
    """The resolved spec as it stands, not validated. Raises `RunError`."""
    path = run.resolved_spec
    try:
        with advising(from_a_copy(run)):
            table = json_value(read_bytes(path), path)
            if not (
                isinstance(table, dict) and all(isinstance(v, dict) for k, v in table.items() if k != _VERSION)
            ):
                raise RunError(f"{path} is damaged: a table is expected")
            return dict(table)
    except FileNotFoundError:
        was_one = f"; {from_a_copy(run)}" if run.begun.exists() else ""
        raise RunError(f"{run.path} is no run directory: it has no {path.name}{was_one}") from None


def frozen_spec(run: RunDir, checkpoint: str | None = None, trusted: bool = False, watched: bool = True) -> RunSpec:
    """The spec of a run, its components found. Raises `RunError`, or `SpecError` where it is not valid here.

    `checkpoint` (relative to the working folder, or a hub name) takes the place of the backbone's own. `trusted`:
    the user agrees to the code the run brings along. `watched`: its trackers are needed too, as in training.
    """
    table = completed(frozen_table(run))
    if not watched:
        table = unwatched(table)
    if checkpoint is not None:
        for options in table.get("backbone", {}).values():
            if isinstance(options, dict):
                options["checkpoint"] = SpecString(checkpoint, Path.cwd())
    code = list(foreign_code(run, table))
    if code and not trusted:
        raise RunError(_refusal(run, code))
    local = [_own_copy(run, Path(file)) for file in _local_plugins(run, table)]
    raw = RawSpec(str(run.resolved_spec), run.path.resolve(), table)
    try:
        with parsing(run.resolved_spec):
            return validate_spec(raw, local=local)
    except SpecError as error:
        if checkpoint is None and _was_edited(run, frozen_table(run)):
            raise RunError(
                f"{error}\n{run.resolved_spec} was changed after the run was begun: {from_a_copy(run)}"
            ) from error
        raise
    raise AssertionError("unreachable")


def frozen_calibration(run: RunDir) -> Chosen | None:
    """The calibration of a run, from an installed plugin; None for a run without. Raises `UserError`."""
    table = completed(frozen_table(run))["calibration"]
    return chosen_alone("calibration", table, discover(PluginPolicy(strict=False))) if table else None


def _was_edited(run: RunDir, table: Mapping[str, Any]) -> bool:
    """Whether the spec is another one than the run was begun with, as far as the run vouches for it."""
    try:
        begun = read_sealed(run.begun, Begun)
    except (FileNotFoundError, RunError):
        return False
    return begun.sealed and begun.spec != spec_fingerprint(table)


def brings_code(spec: RunSpec) -> bool:
    """Whether a run with this spec is used with `TRUST` alone."""
    return bool(spec.plugins.local) or any(True for _ in _remote_code(spec.resolved()))


def foreign_code(run: RunDir, table: Mapping[str, Any]) -> Iterator[Code]:
    """All code that a resolved spec would have executed beside the installed plugins. Raises `RunError`."""
    for name in _local_plugins(run, table):
        file = _own_copy(run, Path(name))
        yield Code("plugins.local", str(file), digest(file) if file.is_file() else None)
    for place, checkpoint in _remote_code(table):
        reason = f"{place}.{_REMOTE}"
        files = sorted(Path(checkpoint).glob("*.py")) if Path(checkpoint).is_dir() else []
        yield from (Code(reason, str(file), digest(file)) for file in files)
        if not files:
            yield Code(reason, f"whatever code the checkpoint {checkpoint} names", None)


def _local_plugins(run: RunDir, table: Mapping[str, Any]) -> list[str]:
    names = table.get("plugins", {}).get("local", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise RunError(f"{run.resolved_spec} is damaged: plugins.local is no list of files")
    return names


def _own_copy(run: RunDir, file: Path) -> Path:
    """The run's copy of a plugin, or the file itself for a run that holds none."""
    copy = run.local_plugin(file.name)
    return copy if copy.is_file() else file


def _remote_code(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """(table, checkpoint) of every table of a spec that lets a checkpoint run its own code."""
    if not isinstance(value, Mapping):
        return
    if value.get(_REMOTE) not in (None, False):
        yield place, str(value.get("checkpoint"))
    for key, inner in value.items():
        yield from _remote_code(inner, f"{place}.{key}".lstrip("."))


def _refusal(run: RunDir, code: list[Code]) -> str:
    lines = [f"  {c.reason}: {c.file}\n    SHA-256 {c.sha256 or 'unknown: the file is not here'}" for c in code]
    return (
        f"{run.path} would run code that it brings along:\n" + "\n".join(lines) + "\nNothing of it was run. "
        f"Read it; if you trust it, say so with {TRUST}"
    )
