"""A run's baselines on chains that took no part in training: the mean of what those of its folds say.

Shape legend: L residues of a chain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from e1bind.contracts import MetricInputs, ResidueRecord
from e1bind.engine.distributed import World
from e1bind.engine.embeddings import Embeddings, embed_chains
from e1bind.engine.fold_baselines import needs_embeddings, scored
from e1bind.engine.judgement import Judgement, judge
from e1bind.inference.chunks import own_contexts
from e1bind.inference.ensemble import Ensemble


class RunBaselines:
    """The baselines of a finished run, ready to score."""

    def __init__(self, ensemble: Ensemble) -> None:
        self.ensemble, self.run = ensemble, ensemble.run
        self.folds = [self.run.stored.baselines(fold) for fold in self.run.folds]

    def names(self, ion: str) -> list[str]:
        """Those that the run was held against."""
        return list(self.run.summary.oof[ion].baselines)

    def on(
        self, records: Sequence[ResidueRecord], ion: str, inputs: MetricInputs, resamples: int, seed: int
    ) -> Judgement | None:
        """The run held against its baselines on labelled chains, each at its out-of-fold threshold.

        `inputs` are the run's own scores of the same residues, in order.
        """
        names = self.names(ion)
        known = [record for record in records if (record.labels[ion] >= 0).any()]
        embeddings = self._embeddings(known, names)
        values = {}
        for name in names:
            parts = [self._mean(record, ion, name, embeddings)[record.labels[ion] >= 0] for record in known]
            values[name] = np.concatenate([np.empty(0), *parts])
        thresholds = {name: self.run.summary.oof[ion].baselines[name].threshold for name in names}
        return judge(self.ensemble.pipeline, ion, inputs, values, thresholds, resamples, seed)

    def _mean(self, record: ResidueRecord, ion: str, name: str, embeddings: Embeddings) -> NDArray[np.float64]:
        """Mean probability [L] over the folds."""
        fitted = [own.fitted for fold in self.folds for own in fold if (own.ion, own.name) == (ion, name)]
        rows = [scored(self.ensemble.pipeline, name, values, record, embeddings) for values in fitted]
        return np.asarray(np.mean(rows, axis=0), np.float64)

    def _embeddings(self, records: Sequence[ResidueRecord], names: Sequence[str]) -> Embeddings:
        pipeline = self.ensemble.pipeline
        if not any(needs_embeddings(pipeline, name) for name in names):
            return {}
        own = replace(pipeline, validation_contexts=own_contexts(pipeline))
        return embed_chains(own, self.ensemble.model.network, records, World(0, 1, self.ensemble.device))
