"""Tables of a comparison.

comparison.csv         ion, metric, run; oof (all folds together), fold_mean, fold_sd, fold_min, fold_max;
                       above_first (this run minus the first, paired), and test NAME for each evaluation. oof,
                       above_first and test have two columns more, _low and _high: 95 % over proteins. Where runs
                       were held against baselines also `method`: run, or the baseline's name
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
from e1bind.metrics.paired import Range
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
            **_columns("oof", found.oof),
            **_folds(found),
            **_columns("above_first", found.above_first),
            **_tests(found, tests),
        }
        for ion, method, metric, name, found in cells
    ]


def _methods(comparison: Comparison) -> Iterator[tuple[str, str, Mapping[str, Sequence[Figure | None]]]]:
    for ion, metrics in comparison.figures.items():
        yield ion, RUN, metrics
        for name, of_baseline in comparison.baselines[ion].items():
            yield ion, name, of_baseline


def _tests(found: Figure, tests: Sequence[str]) -> dict[str, float | None]:
    columns = [_columns(f"test {test}", found.test.get(test)) for test in tests]
    return {key: value for row in columns for key, value in row.items()}


def _columns(name: str, found: Range | None) -> dict[str, float | None]:
    """A value and its interval; empty cells where there is none."""
    value, low, high = (None, None, None) if found is None else (found.value, found.low, found.high)
    return {name: value, f"{name}_low": low, f"{name}_high": high}


def _folds(found: Figure) -> dict[str, float]:
    known = found.known_folds
    return {
        "fold_mean": statistics.fmean(known) if known else math.nan,
        "fold_sd": statistics.stdev(known) if len(known) > 1 else math.nan,
        "fold_min": min(known, default=math.nan),
        "fold_max": max(known, default=math.nan),
    }


def spec_value(value: Any) -> str:
    """A value of a spec for people; empty where a run does not have it."""
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)
