"""May a run go on? Only with the spec, the plugins and the data it was begun with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from e1bind.engine.events import log
from e1bind.engine.fingerprint import spec_fingerprint
from e1bind.engine.rundir import RunDir, provenance
from e1bind.errors import RunError
from e1bind.spec import RunSpec


def check_unchanged(
    run: RunDir, spec: RunSpec, data: Mapping[str, Any], force: bool, processes: int | None = None
) -> None:
    """Compare a run's frozen files with what is there now; `force` lets spec and plugins differ, never the data.

    `processes`: those that are to train, if any; they must take the optimizer steps the run was begun with. Raises
    `RunError` naming every difference.
    """
    resolved, plugins, begun = (_frozen(run, n) for n in ("spec.resolved.json", "plugins.json", "data.json"))
    if begun.get("fingerprint") != data["fingerprint"]:
        raise RunError(
            f"{run.path}: the training data has changed since the run was begun ({_data_change(begun, data)}); "
            "its folds would no longer be those that were trained on. Put the data back, or start a new run"
        )
    changes = [f"spec: {line}" for line in differences(resolved, spec.resolved())]
    if begun.get("spec") != spec_fingerprint(resolved):
        changes.append("spec.resolved.json itself was edited")
    if processes is not None:
        changes += _step_change(begun, resolved, spec, processes)
    changes += [f"plugin of {line}" for line in differences(_versions(plugins), _versions(provenance(spec)))]
    if not changes:
        return
    if not force:
        listed = "\n  ".join(changes)
        raise RunError(
            f"{run.path}: changed since the run was begun:\n  {listed}\nPut it back, start a new run, or pass "
            "--force to go on all the same; results are then those of neither"
        )
    for change in changes:
        log.warning("going on although changed since the run was begun: %s", change)


def _step_change(
    begun: Mapping[str, Any], resolved: Mapping[str, Any], spec: RunSpec, processes: int
) -> Iterator[str]:
    """A line where an optimizer step would take more or fewer micro-batches than it did when the run was begun."""
    before, accum = begun.get("processes", 1), resolved["training"]["accum_steps"]
    now = spec.training.accum_steps * processes
    if now != before * accum:
        yield (
            f"micro-batches of an optimizer step: {before * accum} ({before} {_processes(before)} x accum_steps "
            f"{accum}) -> {now} ({processes} {_processes(processes)} x accum_steps {spec.training.accum_steps}); "
            f"start {before} {_processes(before)} as before"
        )


def _processes(count: int) -> str:
    return "process" if count == 1 else "processes"


def differences(before: Any, now: Any, path: str = "") -> Iterator[str]:
    """One line `path: before -> now` for every value two JSON-like tables differ in."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in dict.fromkeys((*before, *now)):
            yield from differences(before.get(key), now.get(key), f"{path}.{key}".lstrip("."))
    elif before != now:
        yield f"{path}: {json.dumps(before)} -> {json.dumps(now)}"


def _frozen(run: RunDir, name: str) -> Any:
    path = run.path / name
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{path} is missing: {run.path} is no run directory of this version") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise RunError(f"{path} is damaged and cannot be read: {error}") from error


def _versions(plugins: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What makes a plugin another one; where it is installed does not."""
    keys = ("component", "target", "distribution", "version", "vcs", "sha256")
    return {path: {key: source.get(key) for key in keys} for path, source in plugins.items()}


def _data_change(begun: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    lines = list(differences(begun.get("ions"), data["ions"]))
    return "; ".join(lines) or "as many chains and residues, but others, or in other folds"
