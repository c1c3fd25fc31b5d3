"""Tables of a comparison.

comparison.csv         ion, metric, run, oof, fold_mean, fold_sd, and a column for each evaluation: test NAME; where
                       runs were held against baselines also `method`: run, or the baseline's name
spec_differences.csv   path, and the value of each run (JSON; empty: absent)
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from e1bind.files.writing import output_folder
from e1bind.inference.compare import Comparison, Figure
from e1bind.inference.evaluation_tables import write_rows
from e1bind.runs.schemas import RUN


def write_comparison(comparison: Comparison, folder: Path) -> None:
    """Write both tables. Raises `UserError`."""
    output_folder(folder)
    write_rows(folder / "comparison.csv", metric_rows(comparison))
    rows = [
        {"path": path, **dict(zip(comparison.names, map(spec_value, values), strict=True))}
        for path, values in comparison.spec.items()
    ]
    write_rows(folder / "spec_differences.csv", rows, ["path", *comparison.names])


def metric_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """A row for each ion, method, metric and run."""
    cells = [
        (ion, method, metric, name, found)
        for ion, method, metrics in _methods(comparison)
        for metric, row in metrics.items()
        for name, found in zip(comparison.names, row, strict=True)
        if found is not None
    ]
    tests = list(dict.fromkeys(test for *_, found in cells for test in found.test))
    against = any(comparison.baselines.values())
    return [
        {
            "ion": ion,
            **({"method": method} if against else {}),
            "metric": metric,
            "run": name,
            "oof": found.oof,
            "fold_mean": fold_mean(found),
            "fold_sd": found.spread,
            **{f"test {test}": found.test.get(test) for test in tests},
        }
        for ion, method, metric, name, found in cells
    ]


def _methods(comparison: Comparison) -> Iterator[tuple[str, str, Mapping[str, Sequence[Figure | None]]]]:
    for ion, metrics in comparison.figures.items():
        yield ion, RUN, metrics
        for name, of_baseline in comparison.baselines[ion].items():
            yield ion, name, of_baseline


def fold_mean(found: Figure) -> float:
    """Mean over the folds in which the metric is defined."""
    known = [value for value in found.folds if not math.isnan(value)]
    return statistics.fmean(known) if known else math.nan


def spec_value(value: Any) -> str:
    """A value of a spec for people; empty where a run does not have it."""
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)
