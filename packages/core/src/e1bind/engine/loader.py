"""Micro-batches as a data loader makes them: each a function of (seed, epoch, its proteins) alone."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch.utils.data import DataLoader, Dataset

from e1bind.contracts import ContextSource, DrawKey, ResidueRecord
from e1bind.data.collate import ProteinBatch, collate
from e1bind.data.windows import training_window
from e1bind.engine.pipeline import Pipeline
from e1bind.errors import UserError
from e1bind.views.masked import unmasked_view


@dataclass(frozen=True)
class Micro:
    """What goes into one micro-batch: chains (training) or windows of chains (evaluation) of one ion."""

    ion: str
    records: tuple[ResidueRecord, ...]


class TrainingBatches(Dataset[ProteinBatch]):
    """Masked views of training chains."""

    def __init__(self, pipeline: Pipeline, micros: Sequence[Micro], epoch: int) -> None:
        self.seed = pipeline.spec.run.seed
        self.views, self.encoder = pipeline.views, pipeline.encoder
        self.contexts = pipeline.train_contexts
        self.max_residues = pipeline.max_residues
        self.micros = micros
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.micros)

    def __getitem__(self, index: int) -> ProteinBatch:
        micro = self.micros[index]
        windows, views = [], []
        for record in micro.records:
            key = DrawKey(self.seed, self.epoch, record.id)
            window = training_window(record, self.max_residues, key.rng("window"), micro.ion)
            windows.append(window)
            views.append(self.views.generate(window, key, self.contexts))
        return collate(micro.ion, windows, views, self.encoder)


class EvaluationBatches(Dataset[ProteinBatch]):
    """One unmasked view of each window; a chain's context is the same in every epoch and in prediction."""

    def __init__(self, pipeline: Pipeline, micros: Sequence[Micro]) -> None:
        self.seed = pipeline.spec.run.seed
        self.encoder = pipeline.encoder
        self.contexts: ContextSource | None = pipeline.validation_contexts
        self.micros = micros

    def __len__(self) -> int:
        return len(self.micros)

    def __getitem__(self, index: int) -> ProteinBatch:
        micro = self.micros[index]
        views = [[unmasked_view(r, DrawKey(self.seed, 0, r.id), self.contexts)] for r in micro.records]
        return collate(micro.ion, micro.records, views, self.encoder)


def _leave_signals_to_the_trainer(_: int) -> None:
    """In a worker: a signal to the whole process group must not take the next batch from the step at hand.

    The worker ends with its trainer, by its own watch on it.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)


class _Told(Dataset[ProteinBatch | UserError]):
    """The batches of a dataset, or in place of one the mistake that prevents it.

    What a worker raises comes out of a data loader as a traceback in a string; what it returns comes out as it is.
    """

    def __init__(self, dataset: Dataset[ProteinBatch]) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)  # type: ignore[arg-type]

    def __getitem__(self, index: int) -> ProteinBatch | UserError:
        try:
            return self.dataset[index]
        except UserError as error:
            return error


def batches(dataset: Dataset[ProteinBatch], workers: int) -> Iterator[ProteinBatch]:
    """The micro-batches in order, prepared by `workers` processes or by this one."""
    init = _leave_signals_to_the_trainer
    told = _Told(dataset)
    for batch in DataLoader(told, batch_size=None, shuffle=False, num_workers=workers, worker_init_fn=init):
        if isinstance(batch, UserError):
            raise batch
        yield batch
