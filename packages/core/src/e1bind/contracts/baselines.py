"""What is had without fine-tuning anything.

Shape legend: L residues of a chain, D width of the backbone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class BaselineChain:
    """A chain for one ion.

    `labels` int8 [L] of 0, 1 or `UNKNOWN`: all unknown where the chain is to be scored. `group`: chains of one
    number are related and must not stand on both sides of a split. `embeddings` fp32 [L, D]: final hidden states of
    the unadapted backbone, for the single unmasked view that validation sees; None unless the baseline needs
    "embeddings".
    """

    id: str
    sequence: str
    labels: NDArray[np.int8]
    group: int = 0
    embeddings: NDArray[np.float32] | None = None


class Baseline(Protocol):
    """A cheap predictor that a run is held against. Built as `target(options)`."""

    def fit(self, chains: Sequence[BaselineChain], rng: np.random.Generator) -> Mapping[str, NDArray[Any]]:
        """What is learned from training chains, as named arrays of numbers; nothing else is kept of it.

        Single numbers (arrays of no dimension) are shown with the results, e.g. a strength that was chosen.
        """
        ...

    def score(self, fitted: Mapping[str, NDArray[Any]], chain: BaselineChain) -> NDArray[np.float64]:
        """Probability of binding [L] of each residue, in [0, 1], from what `fit` returned."""
        ...
