"""Score chains with a model: every residue of every chain exactly once, whatever windows and ranks it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from e1bind.contracts import MetricInputs, ResidueRecord
from e1bind.data.collate import ProteinBatch
from e1bind.data.columns import ids_of, lengths_of, order_by_id
from e1bind.data.made import Made
from e1bind.data.windows import cut_windows, merge_windows
from e1bind.engine.averages import Averages, scalars_of
from e1bind.engine.distributed import World
from e1bind.engine.guards import VALIDATION_MEMORY, memory_advice
from e1bind.engine.loader import EvaluationBatches, Micro, batches
from e1bind.engine.model import ContrastiveModel
from e1bind.engine.pipeline import Pipeline
from e1bind.metrics.thresholds import choose_threshold
from e1bind.scoring import Prototype, Scores, probabilities


@torch.inference_mode()
def evaluate(
    pipeline: Pipeline,
    model: ContrastiveModel,
    prototype: Prototype | None,
    records: Sequence[ResidueRecord],
    ion: str,
    world: World,
    on_batch: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Scores, dict[str, float]]:
    """Scores of all `records` (on every rank), and mean losses and logs over their labelled residues.

    `on_batch` is called equally often on every rank, so that it may speak to the others: with the batches that are
    done, and all of this rank.
    """
    model.eval()
    groups = window_batches(pipeline, records)
    mine = world.share(groups)
    averages = Averages()
    scored: list[Scored] = []
    done = 0
    for pieces, batch in zip(mine, load(pipeline, ion, mine), strict=True):
        with memory_advice(batch, VALIDATION_MEMORY):
            output = model(batch.to(world.device), prototype)
            averages.add_step(scalars_of(output), batch.labelled)
            scored += by_piece(pieces, output.scores_R)
        done += 1
        on_batch(done, len(mine))
    if len(mine) < -(-len(groups) // world.size):
        on_batch(done, len(mine))
    parts = [piece for rank in world.gather(scored) for piece in rank]
    return merged(records, parts), averages.means(world)


@dataclass(frozen=True)
class Piece:
    """The residues [start, stop) of a chain."""

    record: ResidueRecord
    start: int
    stop: int


Scored = tuple[str, int, NDArray[np.float32]]
"""Chain id, first residue, and a number or a vector for each residue of a piece."""


class WindowBatches(Made[list[Piece]]):
    """Batches of windows, as places in the records: a record is made when its batch is asked for."""

    def __init__(
        self, records: Sequence[ResidueRecord], window_W3: NDArray[np.int64], batches: Sequence[range]
    ) -> None:
        """`window_W3`: the place of each window's record, its start and its stop; `batches` the windows of each."""
        self.records, self.window_W3, self.batches = records, window_W3, batches

    def __len__(self) -> int:
        return len(self.batches)

    def _part(self, index: slice) -> WindowBatches:
        return WindowBatches(self.records, self.window_W3, self.batches[index])

    def _one(self, place: int) -> list[Piece]:
        own = self.batches[place]
        return [Piece(self.records[at], *ends) for at, *ends in self.window_W3[own.start : own.stop].tolist()]


def window_batches(pipeline: Pipeline, records: Sequence[ResidueRecord]) -> WindowBatches:
    """Windows of all records in batches of like length, as many views in each as a training batch has."""
    section = pipeline.spec.training
    windows = [
        (at, start, stop)
        for at, length in enumerate(lengths_of(records).tolist())
        for start, stop in cut_windows(length, pipeline.max_residues, section.window_overlap)
    ]
    window_W3 = np.array(windows, np.int64).reshape(-1, 3)
    rank = np.empty(len(records), np.int64)
    rank[order_by_id(records)] = np.arange(len(records))
    at, start, stop = window_W3.T
    window_W3 = window_W3[np.lexsort((start, rank[at], stop - start))]
    size = section.batch_size * pipeline.views.num_views
    return WindowBatches(records, window_W3, [range(i, i + size) for i in range(0, len(windows), size)])


class _Windows(Made[Micro]):
    """The windows of each batch, for one ion."""

    def __init__(self, ion: str, groups: Sequence[Sequence[Piece]]) -> None:
        self.ion, self.groups = ion, groups

    def __len__(self) -> int:
        return len(self.groups)

    def _part(self, index: slice) -> _Windows:
        return _Windows(self.ion, self.groups[index])

    def _one(self, place: int) -> Micro:
        return Micro(self.ion, tuple(p.record.window(p.start, p.stop) for p in self.groups[place]))


def load(pipeline: Pipeline, ion: str, groups: Sequence[Sequence[Piece]]) -> Iterator[ProteinBatch]:
    """The batches of `groups` with one unmasked view of each window."""
    return batches(EvaluationBatches(pipeline, _Windows(ion, groups)), pipeline.spec.training.workers)


def labelled(records: Sequence[ResidueRecord], scores: Scores, ion: str) -> MetricInputs:
    """The residues of `records` with a known label, as metrics take them."""
    scored, labels = [np.zeros(0, np.float32)], [np.zeros(0, np.int8)]
    for record in records:
        labels_L = record.labels[ion]
        known_L = labels_L >= 0
        scored.append(probabilities(scores[record.id])[known_L])
        labels.append(labels_L[known_L])
    counts = [len(values) for values in labels[1:]]
    return MetricInputs(
        probabilities=np.concatenate(scored).astype(np.float64),
        labels=np.concatenate(labels),
        protein=np.repeat(np.arange(len(counts)), counts),
    )


def measure(
    pipeline: Pipeline, inputs: MetricInputs, threshold: float | None = None
) -> tuple[dict[str, float], list[str]]:
    """Every metric of the run, and the reasons of those that are NaN.

    Without a threshold the one that suits these very residues best is taken, which flatters F1 and its like: good
    enough to follow the training, not to report.
    """
    if threshold is None and len(set(inputs.labels.tolist())) == 2:
        method = pipeline.spec.metrics.threshold_method
        threshold = choose_threshold(inputs.probabilities, inputs.labels, method).threshold
    inputs = MetricInputs(inputs.probabilities, inputs.labels, inputs.protein, threshold)
    outputs = {label: metric(inputs) for label, metric in pipeline.metrics.items()}
    reasons = [f"{label}: {output.reason}" for label, output in outputs.items() if output.reason]
    return {label: output.value for label, output in outputs.items()}, reasons


def by_piece(pieces: Sequence[Piece], values_R: torch.Tensor) -> list[Scored]:
    """What a batch made of `pieces` gives for its residues, apart."""
    parts = values_R.float().cpu().split([p.stop - p.start for p in pieces])
    return [(p.record.id, p.start, part.numpy()) for p, part in zip(pieces, parts, strict=True)]


def merged(records: Sequence[ResidueRecord], scored: Sequence[Scored]) -> dict[str, NDArray[np.float32]]:
    """The values by chain; a residue that several windows saw gets their mean."""
    by_chain: dict[str, list[Scored]] = {name: [] for name in ids_of(records)}
    for part in scored:
        by_chain[part[0]].append(part)
    found: dict[str, NDArray[np.float32]] = {}
    for (name, own), length in zip(by_chain.items(), lengths_of(records).tolist(), strict=True):
        parts = sorted(own, key=lambda part: part[1])
        windows = [(start, start + len(values)) for _, start, values in parts]
        found[name] = merge_windows(length, windows, [v for *_, v in parts]).astype(np.float32)
    return found
