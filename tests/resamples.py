"""A resample of proteins, its residues copied by a loop."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from e1bind.contracts import MetricInputs


def copied_by_hand(inputs: MetricInputs, times: Iterable[int]) -> MetricInputs:
    """The residues of each protein so many times, under a protein index of its own each time."""
    parts, ids = [], []
    for protein, count in enumerate(times):
        for _ in range(count):
            rows = np.flatnonzero(inputs.protein == protein)
            parts.append(rows)
            ids.append(np.full(rows.size, len(ids)))
    rows, protein = np.concatenate(parts), np.concatenate(ids)
    return MetricInputs(inputs.probabilities[rows], inputs.labels[rows], protein, inputs.threshold)
