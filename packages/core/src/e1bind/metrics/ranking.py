"""Exact counts along the ranking of scored residues, from one sort of the plain values.

Between two positives a curve moves by negatives only, so all of its area lies at the distinct scores that positives
have. Two `searchsorted` of those among the sorted scores give every count; no argsort, no cumulative sums over all
residues. Tied residues are called together, so the order of the rows has no effect.

Shape legend: N scored residues, K distinct scores of positives, high to low.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class RankCounts:
    """True positives and calls at each of the K distinct scores that positives have.

    `score_K` high to low. `tp_K`, `calls_K` int64: positives and residues with score >= score_K; `tp_above_K`,
    `calls_above_K`: those with score > score_K.
    """

    score_K: NDArray[np.floating]
    tp_K: NDArray[np.int64]
    calls_K: NDArray[np.int64]
    tp_above_K: NDArray[np.int64]
    calls_above_K: NDArray[np.int64]
    positives: int
    residues: int

    @property
    def negatives(self) -> int:
        """Residues labelled 0."""
        return self.residues - self.positives


def _narrowest(scores_N: NDArray[np.floating]) -> NDArray[np.floating]:
    """The scores as float32 where that loses nothing: they sort in half the time."""
    if scores_N.dtype == np.float32:
        return scores_N
    with np.errstate(over="ignore"):
        narrow_N = scores_N.astype(np.float32)
    return narrow_N if np.array_equal(narrow_N, scores_N) else scores_N


def rank_counts(scores_N: NDArray[np.floating], labels_N: NDArray[np.integer]) -> RankCounts:
    """Count along the ranking. Scores are finite, higher means more positive; labels are 0 or 1."""
    scores_N = _narrowest(scores_N)
    positive = np.sort(scores_N[np.flatnonzero(labels_N)])
    everything = np.sort(scores_N)
    score_K, tied_K = np.unique(positive, return_counts=True)
    tp_K = tied_K[::-1].cumsum()
    below_K = np.searchsorted(everything, score_K, side="left")
    up_to_K = np.searchsorted(everything, score_K, side="right")
    return RankCounts(
        score_K=score_K[::-1],
        tp_K=tp_K,
        calls_K=scores_N.size - below_K[::-1],
        tp_above_K=tp_K - tied_K[::-1],
        calls_above_K=scores_N.size - up_to_K[::-1],
        positives=positive.size,
        residues=scores_N.size,
    )
