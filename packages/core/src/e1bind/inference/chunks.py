"""Chains read ahead, cut into windows and put into batches of like length, in memory that does not grow.

Chains are read up to a budget of tokens (a chunk), cut into windows where they are too long, sorted by length and
encoded in batches of like length; whoever runs a model over the batches gets its values back by chain. Every chain
is seen unmasked, with the windows and contexts of validation. With several contexts a chain that has an alignment
is seen once with each: the first is validation's, the others are drawn as it was.

Shape legend: R residues of a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from e1bind.contracts import ContextSource, DrawKey, ResidueRecord, TokenBatch, View
from e1bind.data.batching import cut_by_budget
from e1bind.data.msa_contexts import MsaContexts
from e1bind.data.windows import cut_windows
from e1bind.engine.pipeline import Pipeline
from e1bind.errors import DataError
from e1bind.views.masked import unmasked_view

MAX_TOKENS = {"cpu": 4096, "cuda": 16_384}
"""Residues of one batch (contexts and padding included) unless the caller says otherwise: a CPU is fastest where a
batch stays in its cache, a GPU where it is kept busy."""
LOOK_AHEAD = 24
"""Batches' worth of tokens that are read ahead: enough to find chains of like length, little enough to hold."""

Refuse = Callable[[ResidueRecord, str], None]
"""Told of a chain that cannot be seen, and why; may raise to stop."""


@dataclass(frozen=True, eq=False)
class Window:
    """The residues [start, stop) of chain `chain` of a chunk, as the model sees them with context `context`."""

    chain: int
    context: int
    start: int
    stop: int
    view: View

    @property
    def tokens(self) -> int:
        return len(self.view.visible) + sum(map(len, self.view.context))


@dataclass(frozen=True, eq=False)
class Chunk:
    """Some chains, their windows, and these in batches: `batches[b]` holds the windows `groups[b]`, in order."""

    records: Sequence[ResidueRecord]
    windows: Sequence[Window]
    groups: Sequence[Sequence[int]]
    batches: Sequence[TokenBatch]

    def by_window(self, values: Iterable[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """What a model gives for the residues of each batch, [R] or [R, ...], apart by window."""
        found = [np.empty(0, np.float32)] * len(self.windows)
        for group, of_batch in zip(self.groups, values, strict=True):
            cuts = np.cumsum([self.windows[i].stop - self.windows[i].start for i in group])[:-1]
            for i, part in zip(group, np.split(of_batch, cuts), strict=True):
                found[i] = part
        return found

    def members(self) -> list[list[list[int]]]:
        """The windows of each chain and context: `members[chain][context]`."""
        found: list[list[list[int]]] = [[] for _ in self.records]
        for i, window in enumerate(self.windows):
            if window.context == len(found[window.chain]):
                found[window.chain].append([])
            found[window.chain][window.context].append(i)
        return found

    def spans(self, windows: Sequence[int]) -> list[tuple[int, int]]:
        """Where these windows begin and end."""
        return [(self.windows[i].start, self.windows[i].stop) for i in windows]


def chunks(
    pipeline: Pipeline,
    records: Iterable[ResidueRecord],
    refuse: Refuse,
    max_tokens: int,
    contexts: int = 1,
    ahead: int | None = None,
) -> Iterator[Chunk]:
    """The records in order, without those that were refused (a broken alignment); the last chunk may be empty.

    `max_tokens`: of a batch. `contexts`: drawn for each chain that has an alignment. `ahead`: batches' worth of
    tokens that are read ahead; `LOOK_AHEAD` unless the caller holds more for each token than it does.
    """
    limit = (ahead or LOOK_AHEAD) * max_tokens
    chain: list[ResidueRecord] = []
    windows: list[Window] = []
    tokens = 0
    source = own_contexts(pipeline)
    for record in records:
        try:
            seen = _see(pipeline, record, len(chain), source, contexts)
        except DataError as error:
            refuse(record, str(error))
            continue
        chain.append(record)
        windows += seen
        tokens += sum(window.tokens for window in seen)
        if tokens >= limit:
            yield _planned(pipeline, chain, windows, max_tokens)
            chain, windows, tokens = [], [], 0
            source = own_contexts(pipeline)  # a new one: it remembers every chain it has seen
    yield _planned(pipeline, chain, windows, max_tokens)


def own_contexts(pipeline: Pipeline) -> MsaContexts | None:
    """Contexts for chains that are scored, new ones; None where the backbone reads none."""
    if pipeline.validation_contexts is None:
        return None
    # Without a cache on disk: its folder would be one that whoever made the run has chosen.
    return MsaContexts(pipeline.spec.msa.validation, longest=pipeline.backbone.max_residues)


def _see(
    pipeline: Pipeline, record: ResidueRecord, chain: int, source: MsaContexts | None, contexts: int
) -> list[Window]:
    """The windows of a chain, each with its contexts. Raises `DataError` for a broken alignment."""
    aligned = source is not None and record.msa is not None
    if source is not None and aligned:
        source.profiles.of(record)  # the whole chain is held against the alignment, before windows of it draw
    drawn: ContextSource | None = source
    spans = cut_windows(len(record), pipeline.max_residues, pipeline.spec.training.window_overlap)
    # The number of a context takes the place of the epoch's in the key: validation draws as in epoch 0.
    keys = [DrawKey(pipeline.spec.run.seed, k, record.id) for k in range(contexts if aligned else 1)]
    return [
        Window(chain, k, start, stop, unmasked_view(record.window(start, stop), key, drawn))
        for k, key in enumerate(keys)
        for start, stop in spans
    ]


def _planned(
    pipeline: Pipeline, records: Sequence[ResidueRecord], windows: Sequence[Window], max_tokens: int
) -> Chunk:
    groups = plan_batches([window.tokens for window in windows], max_tokens)
    batches = [pipeline.encoder.encode([[windows[i].view] for i in group]) for group in groups]
    return Chunk(records, windows, groups, batches)


def plan_batches(tokens: Sequence[int], max_tokens: int) -> list[list[int]]:
    """Windows by length in batches of at most `max_tokens` with their padding; the longest batch comes first."""
    size = np.asarray(tokens, dtype=np.int64)
    batches = cut_by_budget(np.argsort(size, kind="stable"), size, max_tokens)
    return [batch.tolist() for batch in reversed(batches)]
