"""`e1bind compare`: what differs between the specs of some finished runs, and what they came to.

Read from the runs' own files; no plugin is loaded, so runs of different machines can be compared.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e1bind.engine.rundir import RunDir
from e1bind.errors import RunError, UserError

SAME = ("run.output_dir", "run.name")
"""Parts of a spec that say nothing about the model."""


@dataclass(frozen=True)
class Figure:
    """A metric of one run and ion: over all folds together, by fold, and on test chains where it was evaluated.

    `test` maps the name of an evaluation's folder in the run to its value.
    """

    oof: float
    folds: tuple[float, ...]
    test: Mapping[str, float]

    @property
    def spread(self) -> float:
        """Sample standard deviation over folds; NaN with fewer than two."""
        known = [value for value in self.folds if not math.isnan(value)]
        return statistics.stdev(known) if len(known) > 1 else math.nan


@dataclass(frozen=True)
class Comparison:
    """Runs side by side. `names` are told apart; `spec` maps a path to the values of the runs (None: absent).

    `figures[ion][metric]` holds a `Figure`, or None, for each run.
    """

    names: Sequence[str]
    spec: Mapping[str, Sequence[Any]]
    figures: Mapping[str, Mapping[str, Sequence[Figure | None]]]
    warnings: Sequence[str]


def compare(runs: Sequence[Path]) -> Comparison:
    """Compare two or more finished runs. Raises `RunError` naming the one that cannot be read, or `UserError`."""
    if len({run.resolve() for run in runs}) < 2:
        raise UserError("name two runs or more to compare")
    read = [_Run(path) for path in runs]
    names = _names(runs)
    return Comparison(names, _spec(read), _figures(read), list(_warnings(read, names)))


class _Run:
    """The files of one run."""

    def __init__(self, path: Path) -> None:
        files = RunDir(path)
        self.summary = _json(files.summary)
        if self.summary.get("status") != "finished":
            raise RunError(f"{path} is an unfinished run; go on with: e1bind train --resume {path}")
        self.spec = dict(_leaves(_json(files.resolved_spec)))
        self.data = _json(path / "data.json")
        found = sorted(path.glob("evaluation_*/metrics.json"))
        self.evaluations = {file.parent.name.removeprefix("evaluation_"): _json(file) for file in found}

    def figure(self, ion: str, metric: str) -> Figure | None:
        """A metric of this run; None where the run does not know it."""
        try:
            row = self.summary["oof"].get(ion)
            if row is None or metric not in row["metrics"]:
                return None
            folds = [r["metrics"].get(metric) for r in self.summary["folds"] if r["ion"] == ion]
            test = {
                name: _number(stored["ions"][ion]["metrics"][metric]["value"])
                for name, stored in self.evaluations.items()
                if metric in stored["ions"].get(ion, {}).get("metrics", {})
            }
            return Figure(_number(row["metrics"][metric]), tuple(map(_number, folds)), test)
        except (KeyError, TypeError, AttributeError) as error:
            raise RunError(f"the results of {self.summary.get('run_id')} are damaged: {error!r}") from error

    def metrics(self) -> list[str]:
        return [name for row in self.summary["oof"].values() for name in row["metrics"]]


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{path.parent} is no finished run: it has no {path.name}") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise RunError(f"{path} is damaged and cannot be read: {error}") from error
    if not isinstance(value, dict):
        raise RunError(f"{path} is damaged: a table is expected")
    return value


def _number(value: Any) -> float:
    """A figure as `summary.json` has it, where null is NaN."""
    return math.nan if value is None else float(value)


def _leaves(table: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value


def _spec(runs: Sequence[_Run]) -> dict[str, list[Any]]:
    """Every value that is not the same in all runs."""
    paths = [p for p in dict.fromkeys(p for run in runs for p in run.spec) if p not in SAME]
    rows = {path: [run.spec.get(path) for run in runs] for path in paths}
    return {path: values for path, values in rows.items() if any(value != values[0] for value in values)}


def _figures(runs: Sequence[_Run]) -> dict[str, dict[str, list[Figure | None]]]:
    ions = dict.fromkeys(ion for run in runs for ion in run.summary["oof"])
    metrics = list(dict.fromkeys(name for run in runs for name in run.metrics()))
    return {ion: {metric: [run.figure(ion, metric) for run in runs] for metric in metrics} for ion in ions}


def _names(runs: Sequence[Path]) -> list[str]:
    """The folders' names; with the folder above where two runs have one name."""
    names = [run.resolve().name for run in runs]
    if len(set(names)) == len(names):
        return names
    return [f"{run.resolve().parent.name}/{run.resolve().name}" for run in runs]


def _warnings(runs: Sequence[_Run], names: Sequence[str]) -> Iterator[str]:
    """Why figures may not be comparable."""
    groups: dict[Any, list[str]] = {}
    for run, name in zip(runs, names, strict=True):
        groups.setdefault(run.data.get("fingerprint"), []).append(name)
    if len(groups) > 1:
        listed = " | ".join(", ".join(group) for group in groups.values())
        yield f"the runs were not trained on the same chains, labels and folds ({listed}): they may differ by that"
    for run, name in zip(runs, names, strict=True):
        if run.summary.get("random_weights"):
            yield f"{name}: the backbone had random weights"
