"""What a run came to, for people and programs: `summary.json` and `summary.csv`."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from e1bind.contracts import ResidueRecord
from e1bind.data.folds import FoldPlan
from e1bind.engine.diagnostics import diagnose
from e1bind.engine.evaluation import measure
from e1bind.engine.fold_files import FoldResult
from e1bind.engine.oof import Table, rows_of
from e1bind.engine.pipeline import Pipeline
from e1bind.engine.rundir import RunDir, atomic_write, plain
from e1bind.errors import RunError
from e1bind.metrics.thresholds import Threshold


def build_summary(
    pipeline: Pipeline,
    plan: FoldPlan,
    records: Sequence[ResidueRecord],
    results: Sequence[FoldResult],
    table: Table,
    thresholds: Mapping[str, Threshold],
    run: RunDir,
) -> dict[str, Any]:
    """Figures of every fold at its best epoch and of all folds together, all at the global thresholds."""
    ions = pipeline.spec.training.ions
    folds = [_fold_row(pipeline, plan, result, ion, table, thresholds[ion]) for result in results for ion in ions]
    rows = [row for result in results for row in result.rows]
    return {
        "run_id": run.run_id,
        "status": "finished",
        "backbone": pipeline.backbone.description,
        "random_weights": "random-weights" in pipeline.spec.backbone.options.capabilities(),
        "monitor": pipeline.spec.metrics.monitor,
        "scoring_temperature": pipeline.spec.scoring_temperature,
        "ions": list(ions),
        "data": {ion: data_counts(records, ion) for ion in ions},
        "folds": folds,
        "oof": {ion: _oof_row(pipeline, table, ion, thresholds[ion]) for ion in ions},
        "warnings": diagnose(rows, folds),
    }


def data_counts(records: Sequence[ResidueRecord], ion: str) -> dict[str, int]:
    """Chains, labelled residues and binding residues of an ion."""
    chains = [r for r in records if ion in r.labels]
    return {
        "proteins": len(chains),
        "residues": sum(int((r.labels[ion] >= 0).sum()) for r in chains),
        "positives": sum(r.positives(ion) for r in chains),
    }


def _fold_row(
    pipeline: Pipeline, plan: FoldPlan, result: FoldResult, ion: str, table: Table, threshold: Threshold
) -> dict[str, Any]:
    count = next(c for c in plan.counts if (c.fold, c.ion) == (result.fold, ion))
    metrics, _ = measure(pipeline, rows_of(table, ion, result.fold), threshold.threshold)
    return {
        "fold": result.fold,
        "ion": ion,
        "best_epoch": result.best_epoch,
        "epochs": result.epochs,
        "proteins": count.proteins,
        "residues": count.residues,
        "positives": count.positives,
        "prototype_positives": result.prototype_positives[ion],
        "metrics": metrics,
    }


def _oof_row(pipeline: Pipeline, table: Table, ion: str, threshold: Threshold) -> dict[str, Any]:
    metrics, reasons = measure(pipeline, rows_of(table, ion), threshold.threshold)
    return {"metrics": metrics, "threshold": threshold.threshold, "undefined": reasons}


def write_summary(run: RunDir, summary: Mapping[str, Any]) -> None:
    """Write the CSV, then the JSON whose presence says that the run is finished."""
    buffer = io.StringIO()
    names = list(next(iter(summary["folds"]))["metrics"])
    head = ["fold", "ion", "best_epoch", "epochs", "proteins", "residues", "positives"]
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([*head, *names])
    for row in summary["folds"]:
        writer.writerow([*(row[h] for h in head), *(plain(row["metrics"][n]) for n in names)])
    for ion, row in summary["oof"].items():
        data = summary["data"][ion]
        counts = (data["proteins"], data["residues"], data["positives"])
        writer.writerow(["oof", ion, "", "", *counts, *(plain(row["metrics"][n]) for n in names)])
    text = buffer.getvalue()
    atomic_write(run.path / "summary.csv", lambda path: path.write_text(text, encoding="utf-8"))
    run.write_json("summary.json", summary)


def finished_summary(run: RunDir) -> dict[str, Any] | None:
    """The summary of a run that is finished; None of one that is not. Raises `RunError` for a damaged file."""
    if not run.summary.exists():
        return None
    try:
        summary = json.loads(run.summary.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise RunError(f"{run.summary} is damaged ({error}); remove it and resume, it is made again") from error
    return summary if summary.get("status") == "finished" else None
