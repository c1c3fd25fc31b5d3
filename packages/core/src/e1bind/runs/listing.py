"""The runs in a folder: where each of them stands, told from small files without loading any of it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from e1bind.errors import RunError
from e1bind.files.reading import json_value, plain, read_bytes
from e1bind.runs.layout import RunDir, opened
from e1bind.runs.lock import is_locked
from e1bind.runs.schemas import Begun, Summary
from e1bind.runs.seals import read_sealed

_UNNAMED = re.compile(r"(?P<spec>.+)-\d{8}-\d{6}-[0-9a-f]{4}")
"""The id of a run to which nobody has given a name: that of its spec, when it was begun, and a number."""


@dataclass(frozen=True)
class ListedRun:
    """A run as a list shows it.

    `state`: "finished", "training", "interrupted", "damaged", or "no run" for another folder; `detail`: where
    training stands, or what is wrong. `metric` is the monitored one, `values` its out-of-fold values by ion.
    `begun` is None where there is no telling.
    """

    path: Path
    state: str
    detail: str = ""
    spec: str = ""
    ions: tuple[str, ...] = ()
    metric: str = ""
    values: Mapping[str, float] = field(default_factory=dict)
    begun: datetime | None = None

    @property
    def value(self) -> float:
        """The mean over ions, as training monitors it; NaN for a run without a result."""
        return math.fsum(self.values.values()) / len(self.values) if self.values else math.nan

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        begun = None if self.begun is None else self.begun.isoformat(timespec="seconds")
        table = {
            **asdict(self),
            "path": str(self.path),
            "ions": list(self.ions),
            "begun": begun,
            "value": self.value,
        }
        return dict(plain(table))


def list_runs(folder: Path) -> list[ListedRun]:
    """The runs in `folder`, or the run that it is, the newest first and other folders last. Raises `RunError`."""
    if not folder.is_dir():
        raise RunError(f"there is no folder {folder}")
    if RunDir(folder).resolved_spec.exists():
        return [_listed(folder)]
    inside = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    found = [_listed(path) for path in inside]
    return sorted(found, key=lambda run: run.begun.timestamp() if run.begun else -math.inf, reverse=True)


def _listed(path: Path) -> ListedRun:
    """A row for a folder, whatever is in it."""
    run = RunDir(path)
    try:
        if not (run.resolved_spec.exists() or run.begun.exists()):
            return ListedRun(path, "no run")
        # Written when the run is begun, and never again.
        row = ListedRun(path, "damaged", begun=datetime.fromtimestamp(run.overrides.stat().st_mtime))
    except OSError as error:
        return ListedRun(path, "damaged", str(error))
    try:
        return _whole(opened(path), row)
    except (RunError, OSError) as error:
        return replace(row, detail=str(error).replace(f"{path}/", ""))


def _whole(run: RunDir, row: ListedRun) -> ListedRun:
    """The row of a run whose records can be read. Raises `RunError` or OSError."""
    table = json_value(read_bytes(run.resolved_spec), run.resolved_spec)
    read_sealed(run.begun, Begun)
    try:
        folds, epochs = int(table["cv"]["folds"]), int(table["training"]["epochs"])
        ions, metric = tuple(map(str, table["training"]["ions"])), str(table["metrics"]["monitor"])
        name = table["run"]["name"]
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{run.resolved_spec} is damaged: it is no whole spec") from error
    unnamed = _UNNAMED.fullmatch(run.run_id)
    row = replace(row, spec=str(name or (unnamed["spec"] if unnamed else "")), ions=ions, metric=metric)
    if any(is_locked(folder) for folder in (run.path, *(fold.path for fold in run.folds()))):
        return replace(row, state="training", detail=_place(run, folds, epochs))
    if not run.summary.exists():
        return replace(row, state="interrupted", detail=_place(run, folds, epochs))
    summary = read_sealed(run.summary, Summary)
    values = {ion: of.metrics.get(metric, math.nan) for ion, of in summary.oof.items()}
    return replace(row, state="finished", values=values)


def _place(run: RunDir, folds: int, epochs: int) -> str:
    """The first fold that has not finished, and the epoch it is in."""
    fold = next((fold for fold in map(run.fold, range(1, folds + 1)) if not fold.done.is_file()), None)
    if fold is None:
        return f"all {folds} folds are trained, not put together"
    return f"fold {fold.number} of {folds}, epoch {min(fold.saved_epoch(), epochs)} of {epochs}"
