"""The files of a run directory, read for its report: nothing is unpickled, no path in a file is followed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from e1bind.engine.calibrate import calibration_methods
from e1bind.engine.oof import Table, read_oof
from e1bind.errors import RunError
from e1bind.metrics.calibration import CalibrationMethod
from e1bind.metrics.options import EceOptions, HraOptions

_SUMMARY_KEYS = ("run_id", "ions", "data", "folds", "oof")


@dataclass(frozen=True)
class Measures:
    """Options of metrics that figures follow: recall from which the HRA counts, bins of the calibration error."""

    min_recall: float = HraOptions.model_fields["min_recall"].default
    bins: int = EceOptions.model_fields["bins"].default


DEFAULT_MEASURES = Measures()


@dataclass(frozen=True, eq=False)
class RunData:
    """What a report is made of; only the summary must be there, the rest is None or empty where it is missing."""

    path: Path
    summary: Mapping[str, Any]
    rows: list[dict[str, Any]]
    oof: Table | None
    thresholds: Mapping[str, Any]
    spec: str
    overrides: str
    resolved: Any
    environment: Any
    plugins: Mapping[str, Any]
    calibration: Mapping[str, CalibrationMethod] = field(default_factory=dict)

    @property
    def measures(self) -> Measures:
        """How the run measures what the figures show."""
        return measures(self.resolved)

    @property
    def best_epochs(self) -> dict[int, int]:
        """Best epoch by fold."""
        return {row["fold"]: row["best_epoch"] for row in self.summary["folds"]}


def read_run(path: Path) -> RunData:
    """Read a run directory. Raises `RunError` where there is none or a file of it is damaged."""
    if not path.is_dir():
        raise RunError(f"{path} is not a run directory: there is no such folder")
    summary = _json(path / "summary.json")
    if summary is None:
        raise RunError(f"{path} has no summary.json: the run has not finished, or this is no run directory")
    missing = [key for key in _SUMMARY_KEYS if not isinstance(summary, dict) or key not in summary]
    if missing:
        raise RunError(f"{path / 'summary.json'} lacks {', '.join(missing)}: it was not written by this version")
    return RunData(
        path=path,
        summary=summary,
        rows=_rows(path / "metrics.jsonl"),
        oof=_oof(path / "oof_preds.npz"),
        thresholds=_thresholds(path / "global_thresholds.yaml"),
        spec=_text(path / "spec.toml"),
        overrides=_text(path / "overrides.txt"),
        resolved=_json(path / "spec.resolved.json"),
        environment=_json(path / "environment.json"),
        plugins=_json(path / "plugins.json") or {},
        calibration=calibration_methods(path),
    )


def measures_of(run: Path) -> Measures:
    """How a run measures what the figures show. Raises `RunError` where its spec is damaged."""
    return measures(_json(run / "spec.resolved.json"))


def measures(resolved: Any) -> Measures:
    """From a resolved spec; the defaults of metrics that the run does not have."""
    metrics = resolved.get("metrics") if isinstance(resolved, dict) else None
    chosen: dict[str, Any] = {}
    for name in ("hra", "hra-normalised", "ece"):
        options = metrics.get(name) if isinstance(metrics, dict) else None
        for key in ("min_recall", "bins"):
            value = options.get(key) if isinstance(options, dict) else None
            if isinstance(value, int | float):
                chosen.setdefault(key, value)
    return Measures(**chosen)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{path} cannot be read: {error}") from error


def _json(path: Path) -> Any:
    text = _text(path)
    if not text:
        return None
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise RunError(f"{path} is damaged: {error}") from error


def _rows(path: Path) -> list[dict[str, Any]]:
    """One JSON object a line; a last line without its end is what a killed run leaves, and is dropped."""
    lines = _text(path).splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines.pop()
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise RunError(f"{path}:{number} is damaged: {error}") from error
        if not isinstance(row, dict) or not {"fold", "epoch", "ion", "split"} <= set(row):
            raise RunError(f"{path}:{number} is no row of metrics: fold, epoch, ion and split are expected")
        rows.append(row)
    return rows


def _oof(path: Path) -> Table | None:
    return read_oof(path) if path.exists() else None


def _thresholds(path: Path) -> Mapping[str, Any]:
    try:
        values = yaml.safe_load(_text(path))
    except yaml.YAMLError as error:
        raise RunError(f"{path} is damaged: {error}") from error
    values = values or {}
    if not isinstance(values, dict) or not all(isinstance(v, dict) and "threshold" in v for v in values.values()):
        raise RunError(f"{path} is damaged: an ion with its threshold is expected on each entry")
    return values
