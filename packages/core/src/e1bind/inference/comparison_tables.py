"""Tables of a comparison.

comparison.csv         ion, metric, run, oof, fold_mean, fold_sd, and a column for each evaluation: test NAME
spec_differences.csv   path, and the value of each run (JSON; empty: absent)
"""

from __future__ import annotations

import json
import math
import statistics
from pathlib import Path
from typing import Any

from e1bind.files.writing import output_folder
from e1bind.inference.compare import Comparison, Figure
from e1bind.inference.evaluation_tables import write_rows


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
    """A row for each ion, metric and run."""
    cells = [
        (ion, metric, name, found)
        for ion, metrics in comparison.figures.items()
        for metric, row in metrics.items()
        for name, found in zip(comparison.names, row, strict=True)
        if found is not None
    ]
    tests = list(dict.fromkeys(test for *_, found in cells for test in found.test))
    return [
        {
            "ion": ion,
            "metric": metric,
            "run": name,
            "oof": found.oof,
            "fold_mean": fold_mean(found),
            "fold_sd": found.spread,
            **{f"test {test}": found.test.get(test) for test in tests},
        }
        for ion, metric, name, found in cells
    ]


def fold_mean(found: Figure) -> float:
    """Mean over the folds in which the metric is defined."""
    known = [value for value in found.folds if not math.isnan(value)]
    return statistics.fmean(known) if known else math.nan


def spec_value(value: Any) -> str:
    """A value of a spec for people; empty where a run does not have it."""
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)
