"""A run's baselines on chains that took no part in training: the mean of what those of its folds say.

Shape legend: L residues of a chain.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from e1bind.contracts import MetricInputs, ResidueRecord
from e1bind.engine.distributed import World
from e1bind.engine.embeddings import Embeddings, embedded_blocks
from e1bind.engine.fold_baselines import scored, want_embeddings
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
        parts: dict[str, list[NDArray[np.float64]]] = {name: [np.empty(0)] for name in names}
        for some, embeddings in self._embedded(known, names):
            for name in names:
                parts[name] += [self._mean(r, ion, name, embeddings)[r.labels[ion] >= 0] for r in some]
        values = {name: np.concatenate(rows) for name, rows in parts.items()}
        thresholds = {name: self.run.summary.oof[ion].baselines[name].threshold for name in names}
        return judge(self.ensemble.pipeline, ion, inputs, values, thresholds, resamples, seed)

    def _mean(self, record: ResidueRecord, ion: str, name: str, embeddings: Embeddings) -> NDArray[np.float64]:
        """Mean probability [L] over the folds."""
        fitted = [own.fitted for fold in self.folds for own in fold if (own.ion, own.name) == (ion, name)]
        rows = [scored(self.ensemble.pipeline, name, values, record, embeddings) for values in fitted]
        return np.asarray(np.mean(rows, axis=0), np.float64)

    def _embedded(
        self, records: Sequence[ResidueRecord], names: Sequence[str]
    ) -> Iterable[tuple[Sequence[ResidueRecord], Embeddings]]:
        """The chains, some at a time, with their embeddings where a baseline looks at them."""
        ensemble = self.ensemble
        own = replace(ensemble.pipeline, validation_contexts=own_contexts(ensemble.pipeline))
        alone, wanted = World(0, 1, ensemble.device), want_embeddings(own, names)
        return embedded_blocks(own, ensemble.model.network, records, alone, wanted=wanted)
