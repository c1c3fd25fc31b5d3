"""What an evaluation leaves in its folder, beside the figures.

metrics       ion, metric, value, low, high (95 % interval over proteins), reason; a run that was held against
              baselines has rows of those as well, and a column `method` that tells which is which
figures       the same with counts, thresholds, warnings, and what was evaluated
per_protein   a row for each chain and ion: counts and every metric at the threshold
predictions   every residue, as `e1bind predict` writes it
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from e1bind.files.reading import plain
from e1bind.files.text import cell
from e1bind.files.writing import output_folder, output_text, sweep
from e1bind.inference.bootstrap import Interval
from e1bind.inference.evaluate import EvaluateOptions, Evaluation, IonResult
from e1bind.inference.tables import columns_of, open_table
from e1bind.metrics.resampling import COVERAGE
from e1bind.runs.evaluations import write_figures
from e1bind.runs.reader import FinishedRun
from e1bind.runs.result_dirs import EvaluationDir
from e1bind.runs.schemas import RUN


def test_name(run: FinishedRun, options: EvaluateOptions) -> str:
    """What the test chains are called: their file without its ending."""
    data = options.data or getattr(run.spec.data.options, "test", None) or Path("test")
    return data.name.split(".")[0].replace("{ion}", "all")


def evaluation_folder(run: FinishedRun, options: EvaluateOptions) -> EvaluationDir:
    """The folder of the results, made if need be; in the run unless one is named. Raises `UserError`."""
    folder = (
        run.files.evaluation(test_name(run, options)) if options.target is None else EvaluationDir(options.target)
    )
    output_folder(folder.path)
    if options.target is None:
        sweep(folder.path)
    return folder


def write_evaluation(evaluation: Evaluation, folder: EvaluationDir) -> None:
    """Write all tables, each whole or not at all."""
    against = any(result.judged for result in evaluation.ions)
    metrics = [row for result in evaluation.ions for row in _metric_rows(result, against)]
    write_rows(folder.metrics, metrics)
    write_rows(folder.per_protein, [row for result in evaluation.ions for row in result.per_protein])
    with open_table(folder.predictions, "csv", evaluation.run) as table:
        for result in evaluation.ions:
            for prediction in result.predictions:
                table.write(prediction, {result.ion: columns_of(prediction, evaluation.run, result.ion)})
    write_figures(folder, _summary(evaluation))


def _metric_rows(result: IonResult, against: bool) -> list[dict[str, Any]]:
    rows = [_metric_row(result.ion, RUN, name, found) for name, found in result.metrics.items()]
    for label, own in (result.judged.baselines if result.judged else {}).items():
        for name, value in own.metrics.items():
            low, high = (own.auprc.low, own.auprc.high) if name == "auprc" else (math.nan, math.nan)
            rows.append(_metric_row(result.ion, label, name, Interval(value, low, high, 0)))
    return rows if against else [{key: row[key] for key in row if key != "method"} for row in rows]


def _metric_row(ion: str, method: str, name: str, found: Interval) -> dict[str, Any]:
    head = {"ion": ion, "method": method, "metric": name}
    return {**head, "value": found.value, "low": found.low, "high": found.high, "reason": found.reason}


def _summary(evaluation: Evaluation) -> dict[str, Any]:
    run = evaluation.run
    return {
        "run_id": run.files.run_id,
        "folds": len(run.folds),
        "backbone": run.summary.backbone,
        "interval": {
            "coverage": COVERAGE,
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
        **(result.judged.figures() if result.judged else {}),
    }


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]], head: Sequence[str] = ()) -> None:
    """A CSV of rows that share their keys (`head`, where there may be no row); NaN and None are empty cells."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    keys = list(head or rows[0])
    writer.writerow(map(cell, keys))
    writer.writerows([_cell(plain(row[key])) for key in keys] for row in rows)
    output_text(path, buffer.getvalue())


def _cell(value: Any) -> Any:
    return cell(value) if isinstance(value, str) else value
