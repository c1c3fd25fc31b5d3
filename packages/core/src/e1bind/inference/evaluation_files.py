"""What an evaluation leaves in its folder, beside the figures.

metrics.csv       ion, metric, value, low, high (95 % interval over proteins), reason
metrics.json      the same with counts, thresholds, warnings, and what was evaluated
per_protein.csv   a row for each chain and ion: counts and every metric at the threshold
predictions.csv   every residue, as `e1bind predict` writes it
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from e1bind.engine.rundir import plain
from e1bind.errors import UserError
from e1bind.inference.evaluate import EvaluateOptions, Evaluation, IonResult
from e1bind.inference.runs import FinishedRun
from e1bind.inference.tables import columns_of, open_table, write_text


def evaluation_folder(run: FinishedRun, options: EvaluateOptions) -> Path:
    """The folder of the results, made if need be; in the run unless one is named. Raises `UserError`."""
    data = options.data or getattr(run.spec.data.options, "test", None) or Path("test")
    name = data.name.split(".")[0].replace("{ion}", "all")
    folder = options.target or run.files.path / f"evaluation_{name}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder} cannot be made: {error.strerror}; choose another folder with -o") from error
    return folder


def write_evaluation(evaluation: Evaluation, folder: Path) -> None:
    """Write all tables, each whole or not at all."""
    metrics = [row for result in evaluation.ions for row in _metric_rows(result)]
    write_rows(folder / "metrics.csv", metrics)
    write_rows(folder / "per_protein.csv", [row for result in evaluation.ions for row in result.per_protein])
    with open_table(folder / "predictions.csv", "csv", evaluation.run) as table:
        for result in evaluation.ions:
            for prediction in result.predictions:
                table.write(prediction, {result.ion: columns_of(prediction, evaluation.run, result.ion)})
    write_text(folder / "metrics.json", json.dumps(plain(_summary(evaluation)), indent=2) + "\n")


def _metric_rows(result: IonResult) -> list[dict[str, Any]]:
    return [
        {
            "ion": result.ion,
            "metric": name,
            "value": found.value,
            "low": found.low,
            "high": found.high,
            "reason": found.reason,
        }
        for name, found in result.metrics.items()
    ]


def _summary(evaluation: Evaluation) -> dict[str, Any]:
    run = evaluation.run
    return {
        "run_id": run.files.run_id,
        "folds": len(run.folds),
        "backbone": run.summary.get("backbone"),
        "interval": {
            "coverage": 0.95,
            "over": "proteins",
            "resamples": evaluation.resamples,
            "seed": evaluation.seed,
        },
        "warnings": list(evaluation.warnings),
        "ions": {result.ion: _ion(result) for result in evaluation.ions},
    }


def _ion(result: IonResult) -> dict[str, Any]:
    counts = result.counts
    return {
        "proteins": len(result.predictions),
        "residues": counts.tp + counts.fp + counts.fn + counts.tn,
        "positives": counts.tp + counts.fn,
        "threshold": result.threshold,
        "counts": asdict(counts),
        "metrics": {name: asdict(found) for name, found in result.metrics.items()},
        "calibrated": result.calibrated,
        "in_training": {"by_id": list(result.overlap.ids), "by_sequence": list(result.overlap.sequences)},
    }


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]], head: Sequence[str] = ()) -> None:
    """A CSV of rows that share their keys (`head`, where there may be no row); NaN and None are empty cells."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, head or list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(plain(row) for row in rows)
    write_text(path, buffer.getvalue())
