"""How often residues of a type bind: the least that anything learned must beat.

Shape legend: N training residues, L residues of a chain, A residue types.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from e1bind.baselines.options import ResidueTypeOptions
from e1bind.contracts import STANDARD_RESIDUES, BaselineChain

OTHER = len(STANDARD_RESIDUES)
"""Index of every residue that is none of the twenty."""


def residue_types(sequence: str) -> NDArray[np.int64]:
    """Index [L] of each residue in `STANDARD_RESIDUES`, `OTHER` for the rest."""
    return np.array([i if (i := STANDARD_RESIDUES.find(letter)) >= 0 else OTHER for letter in sequence], np.int64)


class ResidueType:
    """The share of binding residues of each type in training; that of all residues for a type never seen there."""

    def __init__(self, options: ResidueTypeOptions) -> None:
        pass

    def fit(self, chains: Sequence[BaselineChain], rng: np.random.Generator) -> Mapping[str, NDArray[Any]]:
        """`frequency` [A + 1]."""
        labels_N = np.concatenate([chain.labels for chain in chains])
        type_N = np.concatenate([residue_types(chain.sequence) for chain in chains])
        known_N = labels_N >= 0
        seen_A = np.bincount(type_N[known_N], minlength=OTHER + 1)
        binding_A = np.bincount(type_N[labels_N == 1], minlength=OTHER + 1)
        everywhere = binding_A.sum() / max(seen_A.sum(), 1)
        return {"frequency": np.where(seen_A > 0, binding_A / np.maximum(seen_A, 1), everywhere)}

    def score(self, fitted: Mapping[str, NDArray[Any]], chain: BaselineChain) -> NDArray[np.float64]:
        """Probability [L]."""
        return np.asarray(fitted["frequency"][residue_types(chain.sequence)], np.float64)
