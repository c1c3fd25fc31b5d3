"""What a report is made of: the checked files of a finished run, and how the run measures what figures show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
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


@dataclass(frozen=True)
class Measures:
    """Options of metrics that figures follow: recall from which the HRA counts, bins of the calibration error."""

    min_recall: float = HraOptions.model_fields["min_recall"].default
    bins: int = EceOptions.model_fields["bins"].default


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
    chosen: dict[str, Any] = {}
    for name in ("hra", "hra-normalised", "ece"):
        options = metrics.get(name) if isinstance(metrics, dict) else None
        for key, default in asdict(DEFAULT_MEASURES).items():
            value = options.get(key) if isinstance(options, dict) else None
            if isinstance(value, type(default)):
                chosen.setdefault(key, value)
    return Measures(**chosen)
