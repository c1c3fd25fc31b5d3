"""Is the run better than what is had for nothing? Out of fold, on the same residues."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from e1bind.contracts import MetricInputs
from e1bind.engine.held_out import measure
from e1bind.engine.pipeline import Pipeline
from e1bind.metrics.paired import paired_average_precision
from e1bind.metrics.resampling import RESAMPLES, too_few
from e1bind.metrics.thresholds import choose_threshold
from e1bind.runs.baseline_files import FoldBaseline
from e1bind.runs.oof_table import Table, along_rows, rows_of
from e1bind.runs.schemas import RUN, BaselineFigures, Range


@dataclass(frozen=True)
class Judgement:
    """One ion: AUPRC of the run with its interval over `proteins`, and the baselines it was held against."""

    ion: str
    proteins: int
    auprc: Range
    baselines: Mapping[str, BaselineFigures]

    def figures(self) -> dict[str, Any]:
        """As the summary keeps them."""
        baselines = {name: of.model_dump() for name, of in self.baselines.items()}
        return {"auprc": self.auprc.model_dump(), "baselines": baselines}

    def verdict(self) -> str | None:
        """A sentence where the run is not clearly above the best of its baselines, or that cannot be told."""
        name, best = max(self.baselines.items(), key=lambda item: np.nan_to_num(item[1].auprc.value, nan=-1.0))
        apart = best.difference
        if apart.low > 0:
            return None
        values = f"AUPRC {self.auprc.value:.3f} out of fold, the baseline {name} has {best.auprc.value:.3f}"
        if few := too_few(self.proteins):
            return f"{self.ion}: whether the run is above what is had for nothing cannot be told, {few}; {values}"
        return (
            f"{self.ion}: not clearly above what is had for nothing: {values} (difference {apart.value:+.3f}, "
            f"95 % {apart.low:+.3f} to {apart.high:+.3f}); train longer (training.epochs, early_stop_patience), "
            "raise learning_rate, or use a larger backbone; docs/accuracy.md tells what helped"
        )


def held_against(pipeline: Pipeline, table: Table, found: Sequence[FoldBaseline], ion: str) -> Judgement | None:
    """The run and its baselines for one ion; None without baselines.

    Thresholds of baselines are chosen as the run's own is, on their own out-of-fold probabilities.
    """
    rows = rows_of(table, ion)
    values = {}
    for name in pipeline.baselines:
        of_folds = [own.probabilities for own in found if (own.ion, own.name) == (ion, name)]
        if of_folds:
            by_chain = {chain: p for of_fold in of_folds for chain, p in of_fold.items()}
            values[name] = along_rows(table, ion, by_chain)
    method = pipeline.spec.metrics.threshold_method
    thresholds = {name: choose_threshold(of, rows.labels, method).threshold for name, of in values.items()}
    return judge(pipeline, ion, rows, values, thresholds, RESAMPLES, pipeline.spec.run.seed)


def judge(
    pipeline: Pipeline,
    ion: str,
    run: MetricInputs,
    values: Mapping[str, NDArray[np.float64]],
    thresholds: Mapping[str, float],
    resamples: int,
    seed: int,
) -> Judgement | None:
    """Hold the run's scores of some residues against those of each baseline; None where there is none."""
    if not values:
        return None
    paired = paired_average_precision({RUN: run.probabilities, **values}, run.labels, run.protein, resamples, seed)
    figures = {}
    for name, threshold in thresholds.items():
        metrics, _ = measure(pipeline, MetricInputs(values[name], run.labels, run.protein), threshold)
        figures[name] = BaselineFigures(
            threshold=threshold,
            metrics=metrics,
            auprc=Range(**asdict(paired[name].auprc)),
            difference=Range(**asdict(paired[name].difference)),
        )
    proteins = int(run.protein.max(initial=-1)) + 1
    return Judgement(ion, proteins, Range(**asdict(paired[RUN].auprc)), figures)
