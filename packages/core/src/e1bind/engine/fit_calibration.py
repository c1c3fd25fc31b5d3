"""Calibration of a run: one map per ion, fitted on out-of-fold predictions.

How good a map is shows only on residues it was not fitted on: the figures after calibration come from maps that are
each fitted without the fold they are judged on. The map that is kept is fitted on all folds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from e1bind.contracts import Metric, MetricInputs
from e1bind.metrics.options import EceOptions, NoOptions
from e1bind.metrics.probability_maps import Calibrator
from e1bind.metrics.reliability import Brier, Ece
from e1bind.runs.decision_files import FittedMap
from e1bind.runs.oof_table import Table, of_ion_N, rows_of


def fit_maps(
    table: Table, ions: Sequence[str], calibrator: Calibrator | None, metrics: Iterable[Metric] = ()
) -> dict[str, FittedMap]:
    """A map for each ion; none without a calibration. Raises `DataError`, or `ContractError`.

    The calibration error is measured with the bins of the run's own `metrics`, where it is one of them.
    """
    if calibrator is None:
        return {}
    ece = next((metric for metric in metrics if isinstance(metric, Ece)), Ece(EceOptions()))
    return {ion: _fitted(table, ion, calibrator, ece) for ion in ions}


def _fitted(table: Table, ion: str, calibrator: Calibrator, ece: Ece) -> FittedMap:
    rows = rows_of(table, ion)
    after = cross_fitted_rows(table, ion, calibrator)
    return FittedMap(
        map=calibrator.fit(rows.probabilities, rows.labels),
        before=_quality(rows, ece),
        after=_quality(MetricInputs(after, rows.labels, rows.protein), ece),
    )


def cross_fitted_rows(table: Table, ion: str, calibrator: Calibrator) -> NDArray[np.float64]:
    """Calibrated probabilities of the labelled rows of an ion, each from a map fitted on the other folds."""
    keep = of_ion_N(table, ion) & (table["label"] >= 0)
    return calibrator.cross_fitted(table["probability"][keep], table["label"][keep], table["fold"][keep])


def _quality(rows: MetricInputs, ece: Ece) -> dict[str, float]:
    return {"ece": ece(rows).value, "brier": Brier(NoOptions())(rows).value}
