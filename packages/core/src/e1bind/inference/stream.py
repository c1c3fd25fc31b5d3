"""Chains in, probabilities out, in the order they came, in memory that does not grow with their number.

Chains are read ahead up to a budget of tokens (a chunk), cut into windows where they are too long, sorted by length
and scored in batches of like length; the chunk's chains are then handed out in their own order. Every chain is seen
unmasked, with the windows and contexts of validation, so a fold's probabilities are those validation would give.
With several contexts a chain that has an alignment is seen once with each: the first is validation's, the others
are drawn as it was.

Shape legend: F folds, K contexts, L residues of a chain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from e1bind.contracts import ContextSource, DrawKey, ResidueRecord, View
from e1bind.data.batching import cut_by_budget
from e1bind.data.msa_contexts import MsaContexts
from e1bind.data.windows import cut_windows, merge_windows
from e1bind.errors import DataError, RunError
from e1bind.inference.ensemble import Ensemble
from e1bind.scoring import probabilities
from e1bind.views.masked import unmasked_view

MAX_TOKENS = {"cpu": 4096, "cuda": 16_384}
"""Residues of one batch (contexts and padding included) unless the caller says otherwise: a CPU is fastest where a
batch stays in its cache, a GPU where it is kept busy."""
LOOK_AHEAD = 24
"""Batches' worth of tokens that are read ahead: enough to find chains of like length, little enough to hold."""


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


@dataclass(frozen=True, eq=False)
class _Window:
    """The residues [start, stop) of chain `chain` of a chunk, as the model sees them with context `context`."""

    chain: int
    context: int
    start: int
    stop: int
    view: View

    @property
    def tokens(self) -> int:
        return len(self.view.visible) + sum(map(len, self.view.context))


Refuse = Callable[[ResidueRecord, str], None]
"""Told of a chain that cannot be scored, and why; may raise to stop."""


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
    limit = LOOK_AHEAD * max_tokens
    chunk: list[ResidueRecord] = []
    windows: list[_Window] = []
    tokens = 0
    source = own_contexts(ensemble)
    for record in records:
        try:
            seen = _see(ensemble, record, len(chunk), source, contexts)
        except DataError as error:
            refuse(record, str(error))
            continue
        chunk.append(record)
        windows += seen
        tokens += sum(window.tokens for window in seen)
        if tokens >= limit:
            yield from _score(ensemble, chunk, windows, max_tokens)
            chunk, windows, tokens = [], [], 0
            source = own_contexts(ensemble)  # a new one: it remembers every chain it has seen
    yield from _score(ensemble, chunk, windows, max_tokens)


def own_contexts(ensemble: Ensemble) -> MsaContexts | None:
    """Contexts for chains that are scored, new ones; None where the run's backbone reads none."""
    spec = ensemble.run.spec
    if ensemble.pipeline.validation_contexts is None:
        return None
    # Without a cache on disk: its folder would be one that whoever made the run has chosen.
    return MsaContexts(spec.msa.validation, None, ensemble.pipeline.backbone.max_residues)


def _see(
    ensemble: Ensemble, record: ResidueRecord, chain: int, source: MsaContexts | None, contexts: int
) -> list[_Window]:
    """The windows of a chain, each with its contexts. Raises `DataError` for a broken alignment."""
    pipeline = ensemble.pipeline
    aligned = source is not None and record.msa is not None
    if source is not None and aligned:
        source.profile(record)  # the whole chain is held against the alignment, before windows of it draw
    drawn: ContextSource | None = source
    spans = cut_windows(len(record), pipeline.max_residues, pipeline.spec.training.window_overlap)
    # The number of a context takes the place of the epoch's in the key: validation draws as in epoch 0.
    keys = [DrawKey(pipeline.spec.run.seed, k, record.id) for k in range(contexts if aligned else 1)]
    return [
        _Window(chain, k, start, stop, unmasked_view(record.window(start, stop), key, drawn))
        for k, key in enumerate(keys)
        for start, stop in spans
    ]


def _score(
    ensemble: Ensemble, chunk: Sequence[ResidueRecord], windows: Sequence[_Window], max_tokens: int
) -> Iterator[Prediction]:
    """Score a chunk: fold by fold, so that adapters change once a fold, and batches of like length."""
    if not chunk:
        return
    groups = plan_batches([window.tokens for window in windows], max_tokens)
    batches = [ensemble.pipeline.encoder.encode([[windows[i].view] for i in group]) for group in groups]
    # [fold][ion][window] -> scores of the window's residues
    by_fold: list[dict[str, list[NDArray[np.float32]]]] = []
    for scored in ensemble.score(batches):
        of_ion = {ion: [np.empty(0, np.float32)] * len(windows) for ion in ensemble.run.ions}
        for group, scores in zip(groups, scored, strict=True):
            cuts = np.cumsum([windows[i].stop - windows[i].start for i in group])[:-1]
            for ion, values in scores.items():
                for i, part in zip(group, np.split(values, cuts), strict=True):
                    of_ion[ion][i] = part
        by_fold.append(of_ion)
    # [chain][context] -> its windows
    members: list[list[list[int]]] = [[] for _ in chunk]
    for i, window in enumerate(windows):
        if window.context == len(members[window.chain]):
            members[window.chain].append([])
        members[window.chain][window.context].append(i)
    for record, own in zip(chunk, members, strict=True):
        yield _prediction(record, own, windows, by_fold)


def _prediction(
    record: ResidueRecord,
    contexts: Sequence[Sequence[int]],
    windows: Sequence[_Window],
    by_fold: Sequence[dict[str, list[NDArray[np.float32]]]],
) -> Prediction:
    """What all folds say of a chain, its windows of each context put together."""
    probabilities, by_context = {}, {}
    for ion in by_fold[0]:
        found_FKL = np.stack(
            [
                [
                    _merged(
                        record, [(windows[i].start, windows[i].stop) for i in own], [of[ion][i] for i in own], fold
                    )
                    for own in contexts
                ]
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


def plan_batches(tokens: Sequence[int], max_tokens: int) -> list[list[int]]:
    """Windows by length in batches of at most `max_tokens` with their padding; the longest batch comes first."""
    size = np.asarray(tokens, dtype=np.int64)
    batches = cut_by_budget(np.argsort(size, kind="stable"), size, max_tokens)
    return [batch.tolist() for batch in reversed(batches)]
