"""Logistic regression on the residue types in a window around a residue: what the sequence itself tells, nearby.

Shape legend: N residues of some chains, L residues of one, F = window size * 20 features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from e1bind.baselines.options import WindowOptions
from e1bind.baselines.regression import fit_logistic, logistic
from e1bind.baselines.residue_type import OTHER, residue_types
from e1bind.contracts import BaselineChain


class Window:
    """One-hot residue types at every place of the window; none is set beyond the ends, or for a residue of no type.

    Place w of the window (from 0) and type a have feature 20 w + a.
    """

    def __init__(self, options: WindowOptions) -> None:
        self.size, self.strength = options.size, options.strength

    def fit(self, chains: Sequence[BaselineChain], rng: np.random.Generator) -> Mapping[str, NDArray[Any]]:
        """`weights` [F] and `bias`, of the residues with a known label."""
        from scipy.sparse import vstack

        rows = [self._one_hot(chain.sequence)[np.flatnonzero(chain.labels >= 0)] for chain in chains]
        labels_N = np.concatenate([chain.labels[chain.labels >= 0] for chain in chains])
        return fit_logistic(vstack(rows, format="csr"), labels_N, self.strength, "lbfgs")

    def score(self, fitted: Mapping[str, NDArray[Any]], chain: BaselineChain) -> NDArray[np.float64]:
        """Probability [L]."""
        return logistic(self._one_hot(chain.sequence) @ fitted["weights"] + float(fitted["bias"]))

    def _one_hot(self, sequence: str) -> Any:
        """Sparse [L, F]."""
        from scipy.sparse import csr_matrix

        length, half = len(sequence), self.size // 2
        padded = np.full(length + 2 * half, OTHER)
        padded[half : half + length] = residue_types(sequence)
        type_LW = np.lib.stride_tricks.sliding_window_view(padded, self.size)
        residue, place = np.nonzero(type_LW != OTHER)
        column = place * OTHER + type_LW[residue, place]
        values = np.ones(residue.size)
        return csr_matrix((values, (residue, column)), shape=(length, self.size * OTHER))
