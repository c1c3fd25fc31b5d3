"""Logistic regression on the embeddings of the unadapted backbone: what fine-tuning has to add to.

Shape legend: N residues of some chains, L residues of one, D width of the embeddings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from e1bind.baselines.options import FrozenProbeOptions
from e1bind.baselines.regression import fit_logistic, logistic
from e1bind.contracts import BaselineChain
from e1bind.metrics.base import why_undefined
from e1bind.metrics.curves import average_precision
from e1bind.metrics.ranking import rank_counts

INNER_SPLITS = 3
"""A third of the training residues, in groups of their own, is held out to choose the strength."""
SOLVER = "newton-cholesky"
"""Many more residues than features: a handful of exact steps."""


class FrozenProbe:
    """Embeddings are centred and scaled by mean and standard deviation of the training residues (constants by 1).

    The strength is the one with the best average precision on the first of three parts of the training chains
    (scikit-learn's `GroupKFold` over their groups) after learning from the other two; the smallest of equals. It is
    then fitted on all training residues. Where there is one strength, one group, or a part without both classes,
    the first strength is taken.
    """

    def __init__(self, options: FrozenProbeOptions) -> None:
        self.strengths = sorted(options.strengths)

    def fit(self, chains: Sequence[BaselineChain], rng: np.random.Generator) -> Mapping[str, NDArray[Any]]:
        """`mean` [D], `scale` [D], `weights` [D], `bias`, and the `strength` that was chosen."""
        known = [chain.labels >= 0 for chain in chains]
        labels_N = np.concatenate([chain.labels[k] for chain, k in zip(chains, known, strict=True)])
        group_N = np.repeat([chain.group for chain in chains], [int(k.sum()) for k in known])
        features_ND = np.concatenate([_embedded(c)[k] for c, k in zip(chains, known, strict=True)]).astype(
            np.float64
        )
        mean_D, scale_D = features_ND.mean(0), features_ND.std(0)
        scale_D[scale_D == 0] = 1.0
        features_ND -= mean_D
        features_ND /= scale_D
        strength = self._choose(features_ND, labels_N, group_N)
        fitted = fit_logistic(features_ND, labels_N, strength, SOLVER)
        return {"mean": mean_D, "scale": scale_D, **fitted, "strength": np.array(strength)}

    def score(self, fitted: Mapping[str, NDArray[Any]], chain: BaselineChain) -> NDArray[np.float64]:
        """Probability [L]."""
        standard_LD = (_embedded(chain).astype(np.float64) - fitted["mean"]) / fitted["scale"]
        return logistic(standard_LD @ fitted["weights"] + float(fitted["bias"]))

    def _choose(
        self, features_ND: NDArray[np.float64], labels_N: NDArray[np.int8], group_N: NDArray[np.int64]
    ) -> float:
        from sklearn.model_selection import GroupKFold

        parts = min(INNER_SPLITS, np.unique(group_N).size)
        if parts < 2 or len(self.strengths) == 1:
            return self.strengths[0]
        learn, judge = next(iter(GroupKFold(parts).split(features_ND, labels_N, group_N)))
        if any(np.unique(labels_N[part]).size < 2 for part in (learn, judge)):
            return self.strengths[0]
        found = []
        for strength in self.strengths:
            fitted = fit_logistic(features_ND[learn], labels_N[learn], strength, SOLVER)
            judged = logistic(features_ND[judge] @ fitted["weights"] + float(fitted["bias"]))
            defined = why_undefined(judged, labels_N[judge]) is None
            found.append(average_precision(rank_counts(judged, labels_N[judge])) if defined else -1.0)
        return self.strengths[int(np.argmax(found))]


def _embedded(chain: BaselineChain) -> NDArray[np.float32]:
    if chain.embeddings is None:
        raise ValueError(f"{chain.id}: there are no embeddings; the baseline's descriptor must need 'embeddings'")
    return chain.embeddings
