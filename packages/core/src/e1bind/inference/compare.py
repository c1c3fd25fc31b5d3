"""`e1bind compare`: what differs between the specs of some finished runs, and what they came to.

Read from the runs' own files; no plugin is loaded, so runs of different machines can be compared. All folds
together are the figure, with an interval over proteins; single folds are other models on other proteins.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e1bind.errors import UserError
from e1bind.inference.resampled_runs import DrawnRun, Resampled, resampled
from e1bind.metrics.paired import Range
from e1bind.metrics.resampling import RESAMPLES
from e1bind.runs.evaluations import read_evaluations
from e1bind.runs.reader import read_run
from e1bind.runs.schemas import BaselineFigures

SAME = ("run.output_dir", "run.name")
"""Parts of a spec that say nothing about the model."""
NOTHING = Range(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Figure:
    """A metric of one run and ion: over all folds together, by fold, and on test chains where it was evaluated.

    `test` maps the name of an evaluation's folder in the run to its value. `above_first`: how far this run is above
    the first of the comparison, on the same residues and draws; NaN where the two cannot be paired.
    """

    oof: Range
    folds: tuple[float, ...]
    test: Mapping[str, Range]
    above_first: Range = NOTHING

    @property
    def known_folds(self) -> list[float]:
        """The folds in which the metric is defined."""
        return [value for value in self.folds if not math.isnan(value)]


@dataclass(frozen=True)
class Comparison:
    """Runs side by side. `names` are told apart; `spec` maps a path to the values of the runs (None: absent).

    `figures[ion][metric]` holds a `Figure`, or None, for each run; `baselines[ion][name][metric]` the same of what
    the runs were held against.
    """

    names: Sequence[str]
    spec: Mapping[str, Sequence[Any]]
    figures: Mapping[str, Mapping[str, Sequence[Figure | None]]]
    baselines: Mapping[str, Mapping[str, Mapping[str, Sequence[Figure | None]]]]
    warnings: Sequence[str]


def compare(runs: Sequence[Path], resamples: int = RESAMPLES, seed: int = 1) -> Comparison:
    """Compare two or more finished runs, with intervals from `resamples` draws of proteins.

    Raises `RunError` naming the one that cannot be read, or `UserError`.
    """
    if len({run.resolve() for run in runs}) < 2:
        raise UserError("name two runs or more to compare")
    read = [_Run(path, resamples, seed) for path in runs]
    for run in read:
        run.measure_beside(read[0])
    names = _names(runs)
    return Comparison(names, _spec(read), _figures(read), _baselines(read), list(_warnings(read, names)))


class _Run:
    """The files of one run."""

    def __init__(self, path: Path, resamples: int, seed: int) -> None:
        stored = read_run(path)
        self.summary, self.begun = stored.summary, stored.begun
        self.spec = dict(_leaves(stored.resolved))
        self.evaluations = read_evaluations(stored.files)
        self.drawn = DrawnRun(stored, resamples, seed)
        self.resampled: dict[str, Resampled] = {}

    def measure_beside(self, first: _Run) -> None:
        """Draw proteins, for intervals and for how far this run is above the first."""
        self.resampled = {ion: resampled(self.drawn, first.drawn, ion) for ion in self.summary.oof}

    def figure(self, ion: str, metric: str) -> Figure | None:
        """A metric of this run; None where the run does not know it."""
        row = self.summary.oof.get(ion)
        if row is None or metric not in row.metrics:
            return None
        folds = [of.metrics[metric] for of in self.summary.folds if of.ion == ion]
        test = {
            name: Range(found.value, found.low, found.high)
            for name, stored in self.evaluations.items()
            if ion in stored.ions and (found := stored.ions[ion].metrics.get(metric)) is not None
        }
        of = self.resampled[ion]
        oof = of.intervals.get(metric, _alone(row.metrics[metric]))
        return Figure(oof, tuple(folds), test, of.above_first.get(metric, NOTHING))

    def baseline(self, ion: str, name: str, metric: str) -> Figure | None:
        """A metric of a baseline; its folds are not measured one by one, and AUPRC alone has an interval."""
        row = self.summary.oof.get(ion)
        if row is None or name not in row.baselines or metric not in row.baselines[name].metrics:
            return None
        test = {
            label: _of_baseline(stored.ions[ion].baselines[name], metric)
            for label, stored in self.evaluations.items()
            if ion in stored.ions and metric in getattr(stored.ions[ion].baselines.get(name), "metrics", ())
        }
        return Figure(_of_baseline(row.baselines[name], metric), (), test)


def _alone(value: float) -> Range:
    """A value without an interval."""
    return Range(value, math.nan, math.nan)


def _of_baseline(of: BaselineFigures, metric: str) -> Range:
    return Range(of.auprc.value, of.auprc.low, of.auprc.high) if metric == "auprc" else _alone(of.metrics[metric])


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
    ions = dict.fromkeys(ion for run in runs for ion in run.summary.oof)
    metrics = list(dict.fromkeys(name for run in runs for name in run.summary.metric_names))
    return {ion: {metric: [run.figure(ion, metric) for run in runs] for metric in metrics} for ion in ions}


def _baselines(runs: Sequence[_Run]) -> dict[str, dict[str, dict[str, list[Figure | None]]]]:
    found: dict[str, dict[str, dict[str, list[Figure | None]]]] = {}
    for ion in dict.fromkeys(ion for run in runs for ion in run.summary.oof):
        rows = [run.summary.oof[ion].baselines for run in runs if ion in run.summary.oof]
        names = dict.fromkeys(name for row in rows for name in row)
        metrics = dict.fromkeys(metric for row in rows for of in row.values() for metric in of.metrics)
        found[ion] = {name: {m: [run.baseline(ion, name, m) for run in runs] for m in metrics} for name in names}
    return found


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
        groups.setdefault(run.begun.fingerprint, []).append(name)
    if len(groups) > 1:
        listed = " | ".join(", ".join(group) for group in groups.values())
        yield f"the runs were not trained on the same chains, labels and folds ({listed}): they may differ by that"
    for run, name in zip(runs, names, strict=True):
        yield from (f"{name}: {remark}" for of in run.resampled.values() for remark in of.remarks)
        if run.summary.random_weights:
            yield f"{name}: the backbone had random weights"
        if not run.summary.sealed:
            yield f"{name}: made before runs kept SHA-256 of their files; whether it was changed cannot be told"
        for forced in run.begun.forced:
            yield f"{name}: gone on with by --force although it had changed: {'; '.join(forced.changes)}"
