"""A finished run, read for its use: nothing is unpickled, and no path in a file leads out of the folder.

(The exception is the backbone's checkpoint, which a run names and does not hold; its weights are checked by hash.)
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from e1bind.engine.calibrate import read_calibration
from e1bind.engine.fingerprint import spec_fingerprint
from e1bind.engine.fold_files import DONE
from e1bind.engine.rundir import RunDir
from e1bind.errors import RunError
from e1bind.metrics.calibration import Calibration
from e1bind.spec import RunSpec, read_resolved


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """What a run leaves for prediction, beside the folds' weights.

    `thresholds` and `calibrations` by ion (the latter empty without calibration); `warnings` are for the user.
    """

    files: RunDir
    spec: RunSpec
    summary: Mapping[str, Any]
    thresholds: Mapping[str, float]
    calibrations: Mapping[str, Calibration]
    warnings: tuple[str, ...]

    @property
    def ions(self) -> list[str]:
        """Ions the run was trained for."""
        return self.spec.training.ions

    @property
    def folds(self) -> range:
        """Numbers of the folds, from 1."""
        return range(1, self.spec.cv.folds + 1)


def open_run(path: Path, checkpoint: str | None = None) -> FinishedRun:
    """Read a run directory whose folds have all finished. Raises `RunError`, or `SpecError` for missing plugins.

    `checkpoint` is where the backbone stands on this machine, if not where the run found it.
    """
    if not path.is_dir():
        raise RunError(f"there is no run directory {path}")
    spec = read_resolved(path, checkpoint)
    files = RunDir(path)
    _check_folds(files, spec)
    summary = _json(files.summary)
    if summary.get("status") != "finished":
        raise RunError(f"{path} has not been put together yet; do that with: e1bind collect {path}")
    return FinishedRun(
        files=files,
        spec=spec,
        summary=summary,
        thresholds=_thresholds(files.thresholds, spec.training.ions),
        calibrations=_calibrations(path, spec.training.ions),
        warnings=tuple(_warnings(files, spec)),
    )


def _check_folds(files: RunDir, spec: RunSpec) -> None:
    """Raise `RunError` unless every fold has finished."""
    missing = [n for n in range(1, spec.cv.folds + 1) if not (files.fold(n) / DONE).is_file()]
    if not missing:
        return
    go_on = f"go on with: e1bind train --resume {files.path}"
    if len(missing) == spec.cv.folds:
        raise RunError(f"{files.path}: no fold of the run has finished, so there is no model to use; {go_on}")
    listed = ", ".join(map(str, missing))
    raise RunError(
        f"{files.path} is an unfinished run: fold {listed} of {spec.cv.folds} has not finished, and without it "
        f"there are no thresholds; {go_on}"
    )


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise RunError(f"{path} is damaged and cannot be read: {error}") from error
    if not isinstance(value, dict):
        raise RunError(f"{path} is damaged: a table is expected")
    return value


def _thresholds(path: Path, ions: list[str]) -> dict[str, float]:
    """The threshold of every ion. Raises `RunError`."""
    try:
        stored = yaml.safe_load(path.read_text(encoding="utf-8"))
        found = {ion: stored[ion]["threshold"] for ion in ions}
    except FileNotFoundError:
        raise RunError(
            f"{path} is missing; draw the run together again with: e1bind collect {path.parent}"
        ) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError) as error:
        raise RunError(f"{path} is damaged: no threshold for each of {', '.join(ions)} ({error})") from error
    for ion, value in found.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise RunError(f"{path} is damaged: the threshold of {ion} is {value!r}, not a number")
    return {ion: float(value) for ion, value in found.items()}


def _calibrations(path: Path, ions: list[str]) -> dict[str, Calibration]:
    found = read_calibration(path)
    if found and set(found) != set(ions):
        raise RunError(f"{path}: calibration.yaml is of other ions ({', '.join(found)}) than the run's")
    return found


def _warnings(files: RunDir, spec: RunSpec) -> list[str]:
    """What makes the run's figures doubtful, though it can be used."""
    warnings = []
    if "random-weights" in spec.backbone.options.capabilities():
        warnings.append("the run's backbone has random weights: its probabilities show that it works, nothing more")
    begun = _json(files.path / "data.json").get("spec")
    if begun != spec_fingerprint(_json(files.resolved_spec)):
        warnings.append(f"{files.resolved_spec} was changed after the run: its results may not be those reported")
    return warnings + sorted(_other_plugins(_json(files.path / "plugins.json"), spec))


def _other_plugins(used: Mapping[str, Any], spec: RunSpec) -> set[str]:
    """Components that are not those of the training: another version, or a local file with another content."""
    found = set()
    for path, chosen in spec.components().items():
        before, now = used.get(path), chosen.component.source.as_dict()
        if before is None:
            continue
        if before.get("version") != now["version"]:
            found.add(
                f"{now['distribution']} {before.get('version')} trained the run, {now['version']} is here now"
            )
        if before.get("sha256") != now["sha256"]:
            found.add(f"{path}: the local plugin {now['file']} was changed after the training")
    return found
