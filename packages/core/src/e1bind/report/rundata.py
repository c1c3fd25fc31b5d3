"""What a report is made of: the checked files of a finished run, and how the run measures what figures show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from e1bind.errors import UserError
from e1bind.files.reading import json_value
from e1bind.log import log
from e1bind.metrics.options import EceOptions, HraOptions
from e1bind.metrics.probability_maps import Calibrator
from e1bind.runs.frozen_spec import frozen_calibration
from e1bind.runs.layout import RunDir
from e1bind.runs.oof_table import Table
from e1bind.runs.reader import StoredRun, read_run
from e1bind.runs.schemas import PluginSource, Summary
from e1bind.runs.sessions import SessionRecord, sessions_of


@dataclass(frozen=True)
class Measures:
    """Options of metrics that figures follow: recall from which the HRA counts, bins of the calibration error.

    `calls_from`: by metric of calls, the threshold while a run trains; the one of its tables is chosen at the end.
    """

    min_recall: float = HraOptions.model_fields["min_recall"].default
    bins: int = EceOptions.model_fields["bins"].default
    calls_from: Mapping[str, float] = field(default_factory=dict)


DEFAULT_MEASURES = Measures()


@dataclass(frozen=True, eq=False)
class RunData:
    """The values of one run. `thresholds` by ion: the threshold, its method, metrics and counts at it.

    Texts are empty, and tables too, where their file is gone or was changed; a warning says so.
    """

    files: RunDir
    summary: Summary
    rows: list[dict[str, Any]]
    oof: Table
    thresholds: Mapping[str, Mapping[str, Any]]
    spec: str
    overrides: str
    resolved: Mapping[str, Any]
    environment: Any
    plugins: Mapping[str, PluginSource]
    calibrator: Calibrator | None = None
    sessions: Sequence[SessionRecord] = ()

    @property
    def measures(self) -> Measures:
        """How the run measures what the figures show."""
        return measures(self.resolved)

    @property
    def best_epochs(self) -> dict[int, int]:
        """Best epoch by fold."""
        return {row.fold: row.best_epoch for row in self.summary.folds}


def load(path: Path) -> RunData:
    """The values of a finished run. Raises `RunError` where there is none, or a file of it is damaged."""
    stored = read_run(path)
    entries = stored.thresholds()
    thresholds = {ion: entry.model_dump() for ion, entry in entries.items()}
    return gather(stored, stored.oof(), thresholds)


def gather(stored: StoredRun, oof: Table, thresholds: Mapping[str, Mapping[str, Any]]) -> RunData:
    """The values of a run whose table and thresholds are at hand. Raises `RunError`."""
    calibrator = stored.calibrator or _calibrator(stored)
    stored.calibrations(calibrator)  # for its checks: the figures fit maps of their own
    environment = stored.text(stored.files.environment)
    return RunData(
        files=stored.files,
        summary=stored.summary,
        rows=stored.rows(),
        oof=oof,
        thresholds=thresholds,
        spec=stored.text(stored.files.spec_source) or "",
        overrides=stored.text(stored.files.overrides) or "",
        resolved=stored.resolved,
        environment=None if environment is None else json_value(environment.encode(), stored.files.environment),
        plugins=stored.plugins(),
        calibrator=calibrator,
        sessions=sessions_of(stored.files),
    )


def _calibrator(stored: StoredRun) -> Calibrator | None:
    """The run's calibration, if it has one whose plugin is installed; the log says where it is not."""
    try:
        chosen = frozen_calibration(stored.files)
    except UserError as error:
        log.warning("the figures leave the calibration out: %s", error)
        return None
    return Calibrator(chosen) if chosen else None


def measures(resolved: Mapping[str, Any]) -> Measures:
    """From a resolved spec; the defaults of metrics that the run does not have."""
    metrics = resolved.get("metrics")
    found = metrics.items() if isinstance(metrics, dict) else ()
    tables = {name: table for name, table in found if isinstance(table, dict)}
    chosen: dict[str, Any] = {}
    for name in ("hra", "hra-normalised", "ece"):
        for key in ("min_recall", "bins"):
            value = tables.get(name, {}).get(key)
            if isinstance(value, type(getattr(DEFAULT_MEASURES, key))):
                chosen.setdefault(key, value)
    thresholds = {name: table.get("default_threshold") for name, table in tables.items()}
    calls_from = {name: float(value) for name, value in thresholds.items() if isinstance(value, int | float)}
    return Measures(**chosen, calls_from=calls_from)
