"""May a run go on? Only with the spec, the plugins and the data it was begun with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from e1bind.errors import RunError
from e1bind.files.reading import digest
from e1bind.log import log
from e1bind.runs.creation import freeze_spec, provenance
from e1bind.runs.digests import advising, from_a_copy
from e1bind.runs.fingerprints import TRACKERS, spec_fingerprint, training_fingerprint, unwatched
from e1bind.runs.frozen_spec import frozen_table
from e1bind.runs.layout import RunDir
from e1bind.runs.schemas import Begun, Forced, PluginSource
from e1bind.runs.seals import read_sealed, read_table
from e1bind.spec import RunSpec
from e1bind.spec.older import LATER_COMPONENTS, MOVED_TARGETS, completed


@dataclass(frozen=True)
class Continuation:
    """How a run goes on: what it was begun with, what was forced to differ since, and the data as it is now.

    `trained_with`: SHA-256 of the spec of every fold so far, and of the one that is gone on with.
    """

    run: RunDir
    spec: RunSpec
    begun: Begun
    before: str
    data: Mapping[str, Any]
    changes: tuple[str, ...]
    finished_folds: tuple[int, ...]

    @property
    def trained_with(self) -> set[str]:
        own = training_fingerprint(self.spec.resolved())
        return {own, self.before, *(entry.spec for entry in self.begun.forced)}

    def commit(self) -> Continuation:
        """Write down a forced change, once what it could break has gone well and before anything is built on it.

        What is left to write down is nothing.
        """
        if not self.changes:
            return self
        forced = Forced(spec=self.before, changes=list(self.changes), finished_folds=list(self.finished_folds))
        earlier = [entry.model_dump() for entry in (*self.begun.forced, forced)]
        freeze_spec(self.run, self.spec, {**self.data, "forced": earlier})
        return replace(self, begun=read_begun(self.run), changes=())


def read_begun(run: RunDir) -> Begun:
    """What a run was begun with. Raises `RunError`."""
    with advising(from_a_copy(run)):
        try:
            return read_sealed(run.begun, Begun)
        except FileNotFoundError:
            raise RunError(f"{run.begun} is missing: {run.path} is no whole run directory") from None


def check_unchanged(
    run: RunDir,
    spec: RunSpec,
    data: Mapping[str, Any],
    force: bool,
    processes: int | None = None,
    finished_folds: tuple[int, ...] = (),
) -> Continuation:
    """Compare a run's frozen files with what is there now; `force` lets spec and plugins differ, never the data.

    `processes`: those that are to train, if any; they must take the optimizer steps the run was begun with. Raises
    `RunError` naming every difference.
    """
    begun = read_begun(run)
    resolved = frozen_table(run)
    with advising(from_a_copy(run)):
        plugins = _plugins(run)
    if begun.fingerprint != data["fingerprint"]:
        raise RunError(
            f"{run.path}: the training data has changed since the run was begun ({_data_change(begun, data)}); "
            "its folds would no longer be those that were trained on. Put the data back, or start a new run"
        )
    changes = [f"spec: {line}" for line in differences(unwatched(completed(resolved)), unwatched(spec.resolved()))]
    if begun.spec != spec_fingerprint(resolved):
        changes.append(f"{run.resolved_spec.name} itself was edited")
    if begun.sealed and digest(run.plugins) != begun.files.get(run.plugins.name):
        changes.append(f"{run.plugins.name} itself was edited")
    if processes is not None:
        changes += _step_change(begun, resolved, spec, processes)
    now = {path: of for path, of in provenance(spec).items() if path in plugins or path not in LATER_COMPONENTS}
    changes += [f"plugin of {line}" for line in differences(_versions(plugins), _versions(now))]
    if changes and not force:
        listed = "\n  ".join(changes)
        raise RunError(
            f"{run.path}: changed since the run was begun:\n  {listed}\nPut it back, start a new run, or pass "
            "--force to go on all the same; results are then those of neither"
        )
    for change in changes:
        log.warning("going on although changed since the run was begun: %s", change)
    before = training_fingerprint(resolved)
    return Continuation(run, spec, begun, before, data, tuple(changes), finished_folds)


def _plugins(run: RunDir) -> dict[str, dict[str, Any]]:
    try:
        return {path: source.model_dump() for path, source in read_table(run.plugins, PluginSource).items()}
    except FileNotFoundError:
        raise RunError(f"{run.plugins} is missing: {run.path} is no whole run directory") from None


def _step_change(begun: Begun, resolved: Mapping[str, Any], spec: RunSpec, processes: int) -> Iterator[str]:
    """A line where an optimizer step would take more or fewer micro-batches than it did when the run was begun."""
    before, accum = begun.processes, resolved.get("training", {}).get("accum_steps")
    now = spec.training.accum_steps * processes
    if not isinstance(accum, int) or now != before * accum:
        product = before * accum if isinstance(accum, int) else "?"
        yield (
            f"micro-batches of an optimizer step: {product} ({before} {_processes(before)} x accum_steps {accum}) "
            f"-> {now} ({processes} {_processes(processes)} x accum_steps {spec.training.accum_steps}); "
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


def _versions(plugins: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What makes a plugin another one; where it is installed does not."""
    keys = ("component", "target", "distribution", "version", "vcs", "sha256")
    return {
        path: {key: MOVED_TARGETS.get(str(source.get(key)), source.get(key)) for key in keys}
        for path, source in plugins.items()
        if not path.startswith(f"{TRACKERS}.")
    }


def _data_change(begun: Begun, data: Mapping[str, Any]) -> str:
    before = {ion: counts.model_dump() for ion, counts in begun.ions.items()}
    lines = list(differences(before, data["ions"]))
    return "; ".join(lines) or "as many chains and residues, but others, or in other folds"
