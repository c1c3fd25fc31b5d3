"""Chains in, probabilities out, in the order they came, in memory that does not grow with their number.

A fold's probabilities are those validation would give: `chunks` says how a chain is seen.

Shape legend: F folds, K contexts, L residues of a chain.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from e1bind.contracts import ResidueRecord
from e1bind.data.windows import merge_windows
from e1bind.errors import RunError
from e1bind.inference.chunks import MAX_TOKENS, Chunk, Refuse, chunks
from e1bind.inference.ensemble import Ensemble
from e1bind.scoring import probabilities


@dataclass(frozen=True, eq=False)
class Prediction:
    """What the folds say of one chain.

    `probabilities[ion]` float32 [F, L]: not calibrated, means over the contexts. `by_context[ion]` float64 [K, L]:
    means over the folds, with each context; one row for a chain without an alignment.
    """

    record: ResidueRecord
    probabilities: dict[str, NDArray[np.float32]]
    by_context: dict[str, NDArray[np.float64]]

    def mean(self, ion: str) -> NDArray[np.float64]:
        """Mean probability over the folds, [L]."""
        return self.probabilities[ion].mean(axis=0, dtype=np.float64)

    def spread(self, ion: str) -> NDArray[np.float64]:
        """Standard deviation of the probability over the folds (of these folds: divided by F), [L]."""
        return self.probabilities[ion].std(axis=0, dtype=np.float64)

    def context_spread(self, ion: str) -> NDArray[np.float64]:
        """Standard deviation over the contexts of the folds' mean (divided by K), [L]; 0 with a single one."""
        return self.by_context[ion].std(axis=0)


def predict_stream(
    ensemble: Ensemble,
    records: Iterable[ResidueRecord],
    refuse: Refuse,
    max_tokens: int | None = None,
    contexts: int = 1,
) -> Iterator[Prediction]:
    """Predictions in the order of `records`, without those that were refused (a broken alignment).

    `contexts`: drawn for each chain that has an alignment.
    """
    max_tokens = max_tokens or MAX_TOKENS[ensemble.device.type]
    for chunk in chunks(ensemble.pipeline, records, refuse, max_tokens, contexts):
        if chunk.records:
            yield from _score(ensemble, chunk)


def _score(ensemble: Ensemble, chunk: Chunk) -> Iterator[Prediction]:
    """Score a chunk: fold by fold, so that adapters change once a fold."""
    # [fold][ion][window] -> scores of the window's residues
    by_fold = [
        {ion: chunk.by_window(scores[ion] for scores in scored) for ion in ensemble.run.ions}
        for scored in ensemble.score(chunk.batches)
    ]
    for record, own in zip(chunk.records, chunk.members(), strict=True):
        yield _prediction(record, own, chunk, by_fold)


def _prediction(
    record: ResidueRecord,
    contexts: Sequence[Sequence[int]],
    chunk: Chunk,
    by_fold: Sequence[dict[str, list[NDArray[np.float32]]]],
) -> Prediction:
    """What all folds say of a chain, its windows of each context put together."""
    probabilities, by_context = {}, {}
    for ion in by_fold[0]:
        found_FKL = np.stack(
            [
                [_merged(record, chunk.spans(own), [of[ion][i] for i in own], fold) for own in contexts]
                for fold, of in enumerate(by_fold, start=1)
            ]
        )
        probabilities[ion] = found_FKL.mean(axis=1, dtype=np.float64).astype(np.float32)
        by_context[ion] = found_FKL.mean(axis=0, dtype=np.float64)
    return Prediction(record, probabilities, by_context)


def _merged(
    record: ResidueRecord, spans: Sequence[tuple[int, int]], scores: Sequence[NDArray[np.float32]], fold: int
) -> NDArray[np.float32]:
    """Probabilities [L] of one fold; a residue that several windows saw gets the mean of its scores."""
    merged = merge_windows(len(record), spans, scores).astype(np.float32)
    if not np.isfinite(merged).all():
        at = int(np.argmin(np.isfinite(merged)))
        raise RunError(
            f"{record.id}: the model of fold {fold} gives residue {at + 1} a score that is not finite; with dtype "
            "float16 a backbone may overflow where bfloat16 and float32 do not"
        )
    return probabilities(merged)
