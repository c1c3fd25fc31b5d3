"""Scored residues of which each protein may count any number of times.

Intervals over proteins (`e1bind.metrics.resampling`) ask a metric a thousand times. What does not change from one
resample to the next is done here once, and no residue is copied: a protein that is drawn twice counts twice.

Shape legend: N scored residues, P proteins, K distinct scores of positives, high to low.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from e1bind.contracts import MetricInputs
from e1bind.metrics.confusion import Confusion
from e1bind.metrics.ranking import RankCounts

Times = NDArray[np.int64]
"""How often each protein counts [P]."""
Drawn = Callable[[Times], float]
"""A metric as a function of that; NaN where it is undefined."""


class Sample:
    """The residues of `inputs`, sorted by score. `inputs.protein` holds 0 to P - 1, each at least once."""

    def __init__(self, inputs: MetricInputs) -> None:
        # Sorted inputs give sorted copies, and metrics sort those faster.
        self.inputs = _rows(inputs, np.argsort(inputs.probabilities, kind="stable"))
        self.proteins = int(inputs.protein.max(initial=-1)) + 1
        self._last: tuple[Times, RankCounts] | None = None

    @property
    def once(self) -> Times:
        """Each protein as often as it is there."""
        return np.ones(self.proteins, np.int64)

    def sums(self, values_N: NDArray[np.generic]) -> NDArray[np.float64]:
        """Sum over each protein's residues [P]; `values_N` in the order of `self.inputs`."""
        sums_P: NDArray[np.float64] = np.bincount(
            self.inputs.protein, values_N.astype(np.float64), self.proteins
        ).astype(np.float64)
        return sums_P

    @cached_property
    def _class_counts(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return self.sums(self.inputs.labels), self.sums(np.ones_like(self.inputs.labels))

    def has_both_classes(self, times_P: Times) -> bool:
        """Whether residues of both classes are drawn."""
        positives, residues = (times_P @ of for of in self._class_counts)
        return bool(0 < positives < residues)

    def confusion(self, threshold: float) -> Callable[[Times], Confusion]:
        """Counts at a threshold, as a function of the draw."""
        called_N = self.inputs.probabilities >= np.float64(threshold)
        binds_N = self.inputs.labels == 1
        cells = (called_N & binds_N, called_N & ~binds_N, ~called_N & binds_N, ~called_N & ~binds_N)
        counts_P4 = np.stack([self.sums(cell_N) for cell_N in cells], axis=1).astype(np.int64)
        return lambda times_P: Confusion(*(times_P @ counts_P4).tolist())

    @cached_property
    def _order(self) -> tuple[Times, NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Proteins from the highest score on; positives' places among them; where each of the K scores ends and
        begins, among all residues and (its last positive) among positives."""
        falling_N = self.inputs.probabilities[::-1]
        binding = np.flatnonzero(self.inputs.labels[::-1])
        negated_N = -falling_N
        last_positive_K = np.flatnonzero(np.append(np.diff(falling_N[binding]) != 0, True))
        score_K = negated_N[binding[last_positive_K]]
        last_K = np.searchsorted(negated_N, score_K, side="right") - 1
        above_K = np.searchsorted(negated_N, score_K, side="left")
        return self.inputs.protein[::-1].copy(), binding, last_positive_K, last_K, above_K

    def rank_counts(self, times_P: Times) -> RankCounts:
        """As `ranking.rank_counts` of residues copied that often; some residue of each class must be drawn.

        The last answer is kept: several metrics ask for the same draw.
        """
        if self._last is not None and self._last[0] is times_P:
            return self._last[1]
        protein_N, binding, last_positive_K, last_K, above_K = self._order
        times_N = times_P[protein_N]
        calls_N = np.concatenate([[0], np.cumsum(times_N)])  # before each residue, and after all
        tp_K = np.cumsum(times_N[binding])[last_positive_K]
        gained_K = np.diff(tp_K, prepend=0)
        drawn_K = gained_K > 0  # a score whose positives are not drawn is none of the sample's
        counts = RankCounts(
            score_K=self.inputs.probabilities[::-1][last_K[drawn_K]],
            tp_K=tp_K[drawn_K],
            calls_K=calls_N[last_K[drawn_K] + 1],
            tp_above_K=(tp_K - gained_K)[drawn_K],
            calls_above_K=calls_N[above_K[drawn_K]],
            positives=int(tp_K[-1]),
            residues=int(calls_N[-1]),
        )
        self._last = times_P, counts
        return counts

    def copied(self, times_P: Times) -> MetricInputs:
        """The residues of each protein `times_P` times, under a protein index of its own each time."""
        inputs = self.inputs
        repeats_N = times_P[inputs.protein]
        rows = np.repeat(np.arange(inputs.protein.size), repeats_N)
        first_P = np.cumsum(times_P) - times_P
        first_row_N = np.cumsum(repeats_N) - repeats_N
        copy = np.arange(rows.size) - first_row_N[rows]
        return replace(_rows(inputs, rows), protein=first_P[inputs.protein[rows]] + copy)


def _rows(inputs: MetricInputs, rows: NDArray[np.int64]) -> MetricInputs:
    return replace(
        inputs,
        probabilities=inputs.probabilities[rows],
        labels=inputs.labels[rows],
        protein=inputs.protein[rows],
    )
