"""What a run came to: the figures of its summary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from e1bind.contracts import MetricInputs, ResidueRecord
from e1bind.data.columns import counts_of, known_mask
from e1bind.data.fold_plan import FoldPlan
from e1bind.engine.diagnostics import diagnose
from e1bind.engine.held_out import measure
from e1bind.engine.judgement import Judgement, held_against
from e1bind.engine.pipeline import Pipeline
from e1bind.metrics.thresholds import THRESHOLD_METHODS, Threshold, ThresholdMethod, choose_threshold
from e1bind.runs.baseline_files import FoldBaseline
from e1bind.runs.fold_results import FoldResult
from e1bind.runs.oof_table import Table, rows_of


def build_summary(
    pipeline: Pipeline,
    plan: FoldPlan,
    records: Sequence[ResidueRecord],
    results: Sequence[FoldResult],
    table: Table,
    thresholds: Mapping[str, Threshold],
    baselines: Sequence[FoldBaseline],
    run_id: str,
) -> dict[str, Any]:
    """Figures of every fold at its best epoch and of all folds together, all at the global thresholds."""
    ions = pipeline.spec.training.ions
    folds = [_fold_row(pipeline, plan, result, ion, table, thresholds[ion]) for result in results for ion in ions]
    rows = [row for result in results for row in result.rows]
    judged = {ion: held_against(pipeline, table, baselines, ion) for ion in ions}
    verdicts = [sentence for of in judged.values() if of is not None and (sentence := of.verdict())]
    return {
        "run_id": run_id,
        "status": "finished",
        "backbone": pipeline.backbone.description,
        "random_weights": "random-weights" in pipeline.spec.backbone.options.capabilities(),
        "monitor": pipeline.spec.metrics.monitor,
        "scoring_temperature": pipeline.spec.scoring_temperature,
        "ions": list(ions),
        "data": {ion: data_counts(records, ion) for ion in ions},
        "folds": folds,
        "oof": {ion: _oof_row(pipeline, table, ion, thresholds[ion], judged[ion]) for ion in ions},
        "warnings": [*verdicts, *diagnose(rows, folds, pipeline.spec.prototypes.max_samples)],
    }


def data_counts(records: Sequence[ResidueRecord], ion: str) -> dict[str, int]:
    """Chains, labelled residues and binding residues of an ion."""
    labelled, binding = counts_of(records, ion)
    proteins = int(known_mask(records, ion).sum())
    return {"proteins": proteins, "residues": int(labelled.sum()), "positives": int(binding.sum())}


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
        "prototype_positives": result.prototype_positives.get(ion),
        "metrics": metrics,
    }


def _oof_row(
    pipeline: Pipeline, table: Table, ion: str, threshold: Threshold, judged: Judgement | None
) -> dict[str, Any]:
    rows = rows_of(table, ion)
    metrics, reasons = measure(pipeline, rows, threshold.threshold)
    row = {
        "metrics": metrics,
        "threshold": threshold.threshold,
        "undefined": reasons,
        "choices": {method: _choice(rows, method) for method in THRESHOLD_METHODS},
    }
    return row if judged is None else row | judged.figures()


def _choice(rows: MetricInputs, method: ThresholdMethod) -> dict[str, float]:
    """What another method of choosing the threshold comes to on the same probabilities."""
    chosen = choose_threshold(rows.probabilities, rows.labels, method)
    counts = chosen.counts
    ratios = {"precision": counts.precision(), "recall": counts.recall(), "f1": counts.f1(), "mcc": counts.mcc()}
    return {"threshold": chosen.threshold, **ratios}
