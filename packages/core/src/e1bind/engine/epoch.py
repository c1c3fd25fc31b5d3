"""One training epoch: which micro-batches there are, and the optimizer steps over them.

The order of micro-batches, their views and their dropout depend on the seed, fold and epoch alone. A step takes
`accum_steps` micro-batches on each of the W ranks; a micro-batch counts with its share of the step's labelled
residues, so that a mean over residues is the same however the step was cut up, the last, shorter one included.
"""

from __future__ import annotations

import contextlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import clip_grads_with_norm_

from e1bind.contracts import ResidueRecord
from e1bind.data.batching import budget_batches, fixed_batches
from e1bind.data.collate import ProteinBatch
from e1bind.data.columns import known_mask, lengths_of
from e1bind.engine.averages import Averages, Sums, scalars_of
from e1bind.engine.distributed import World
from e1bind.engine.events import Listener
from e1bind.engine.guards import OPTIMIZER_MEMORY, check_finite, check_gradients, memory_advice, memory_told
from e1bind.engine.loader import Micro, TrainingBatches, batches
from e1bind.engine.micro_plan import MicroPlan, RankSlots, Slot
from e1bind.engine.model import ContrastiveModel
from e1bind.engine.optimization import learning_rate, set_learning_rate
from e1bind.engine.pipeline import Pipeline
from e1bind.engine.seeds import derive, seed_torch
from e1bind.engine.stopping import StopRequest
from e1bind.scoring import Prototype


def plan_epoch(pipeline: Pipeline, records: Sequence[ResidueRecord], fold: int, epoch: int) -> MicroPlan:
    """The micro-batches of all ions, mixed: every training chain of each ion exactly once."""
    spec = pipeline.spec
    section = spec.training
    lengths = lengths_of(records)
    if pipeline.max_residues:
        lengths = np.minimum(lengths, pipeline.max_residues)
    by_ion = []
    for ion in section.ions:
        chains = np.flatnonzero(known_mask(records, ion))
        rng = np.random.default_rng(derive(spec.run.seed, "batches", fold, epoch, ion))
        if section.max_tokens is None:
            groups = fixed_batches(lengths[chains], section.batch_size, rng)
        else:
            budget = section.max_tokens // pipeline.views.num_views
            groups = budget_batches(lengths[chains], budget, rng, section.length_pool)
        by_ion.append((ion, [chains[group] for group in groups]))
    count = sum(len(groups) for _, groups in by_ion)
    order = np.random.default_rng(derive(spec.run.seed, "order", fold, epoch)).permutation(count)
    return MicroPlan(records, by_ion, order)


class EpochTrainer:
    """Runs the optimizer steps of an epoch."""

    def __init__(
        self,
        pipeline: Pipeline,
        model: ContrastiveModel,
        wrapped: nn.Module,
        optimizer: torch.optim.Optimizer,
        prototypes: dict[str, Prototype],
        world: World,
        listener: Listener,
        stop: StopRequest,
    ) -> None:
        self.pipeline, self.model, self.wrapped = pipeline, model, wrapped
        self.optimizer, self.prototypes = optimizer, prototypes
        self.world, self.listener, self.stop = world, listener, stop
        self.section = pipeline.spec.training
        self.trainable = {n: p for n, p in model.named_parameters() if p.requires_grad}
        self.averages: dict[str, Averages] = {}
        self.step_figures: dict[str, float] = {}

    def run(
        self,
        micros: Sequence[Micro],
        fold: int,
        epoch: int,
        taken: int,
        sums: Mapping[str, Sums],
        after_step: Callable[[int, bool], None],
    ) -> dict[str, dict[str, float]]:
        """Train on `micros`; mean losses and logs by ion. Raises `RunError` before a non-finite step is taken.

        `taken` of them were trained on before, by all ranks, with the running `sums`. `after_step` is told how many
        they are now, and whether a rank was asked to stop.
        """
        self.model.train()
        steps = RankSlots(micros[taken:], self.section.accum_steps, self.world)
        loaded = self._load(steps, epoch)
        per_step = self.section.accum_steps * self.world.size
        whole = -(-len(micros) // per_step) * per_step
        self.averages = {ion: Averages(sums.get(ion) if self.world.is_main else None) for ion in self.section.ions}
        meter = _Meter(self.listener, self.world.size, taken, len(micros))
        for slots, start in zip(steps, range(taken, len(micros), per_step), strict=True):
            group = [next(loaded) for _ in slots]
            total, stopping = self._labelled(slots, group)
            figures = _StepFigures()
            for place, (slot, batch) in enumerate(zip(slots, group, strict=True)):
                weight = batch.labelled / total if slot.counts else 0.0
                # What a micro-batch is, not who computes it, seeds its dropout.
                index = start + place * self.world.size + self.world.rank
                seed_torch(self.pipeline.spec.run.seed, "dropout", fold, epoch, index)
                scalars = self._backward(batch, weight, last=place == len(slots) - 1)
                figures.count(batch.ion, scalars, batch.labelled if weight else 0)
                meter.count(slot.counts, batch.labelled, scalars["loss"], start // per_step + 1)
            rate = self._step(epoch - 1 + min(1.0, (start + per_step) / whole), group)
            self.step_figures = {**figures.means(), "learning_rate": rate, "residues/s": meter.rate}
            # Alone there is nobody to agree with, so a signal during the step is seen at its end.
            stopping = stopping or (self.world.size == 1 and self.stop.signal is not None)
            after_step(min(start + per_step, len(micros)), stopping)
        return {ion: a.means(self.world) for ion, a in self.averages.items()}

    def sums(self) -> dict[str, Sums]:
        """Running sums of the epoch over all ranks, on every rank."""
        return {ion: a.sums(self.world) for ion, a in self.averages.items()}

    def _load(self, steps: RankSlots, epoch: int) -> Iterator[ProteinBatch]:
        return batches(TrainingBatches(self.pipeline, steps.micros(), epoch), self.section.workers)

    def _labelled(self, slots: Sequence[Slot], group: Sequence[ProteinBatch]) -> tuple[int, bool]:
        """Labelled residues of the whole step, and whether to stop after it; of all ranks together."""
        mine = sum(b.labelled for s, b in zip(slots, group, strict=True) if s.counts)
        asked = int(self.stop.signal is not None)
        labelled, stops = self.world.sum(torch.tensor([mine, asked], device=self.world.device)).tolist()
        return max(labelled, 1), stops > 0

    def _backward(self, batch: ProteinBatch, weight: float, last: bool) -> dict[str, float]:
        """Gradients of one micro-batch; what it measured."""
        # DDP averages gradients over ranks at the last backward of a step; the weights want their sum.
        sync = isinstance(self.wrapped, DistributedDataParallel) and not last
        with memory_advice(batch), self.wrapped.no_sync() if sync else contextlib.nullcontext():  # type: ignore[operator]
            output = self.wrapped(batch.to(self.world.device), self.prototypes.get(batch.ion))
            check_finite(output, batch)
            (output.total * (weight * self.world.size)).backward()
        scalars = scalars_of(output)
        self.averages[batch.ion].add_step(scalars, batch.labelled if weight else 0)
        return scalars

    def _step(self, epochs_done: float, group: Sequence[ProteinBatch]) -> float:
        """An optimizer step; the learning rate it was taken with."""
        norm = check_gradients(self.trainable, group)
        rate = learning_rate(self.section, epochs_done)
        set_learning_rate(self.optimizer, rate)
        if self.section.grad_clip:
            clip_grads_with_norm_(self.trainable.values(), self.section.grad_clip, norm)
        with memory_told("taking an optimizer step", OPTIMIZER_MEMORY):
            self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return rate


class _StepFigures:
    """Means over this process's micro-batches of one step, as "loss" and "ion/name"."""

    def __init__(self) -> None:
        self.whole, self.ions = Averages(), defaultdict[str, Averages](Averages)

    def count(self, ion: str, scalars: Mapping[str, float], residues: int) -> None:
        self.whole.add("loss", scalars["loss"], residues)
        self.ions[ion].add_step(scalars, residues)

    def means(self) -> dict[str, float]:
        by_ion = {f"{ion}/{k}": v for ion, averages in self.ions.items() for k, v in averages.own_means().items()}
        return self.whole.own_means() | by_ion


class _Meter:
    """Tells the listener how far the epoch is."""

    def __init__(self, listener: Listener, ranks: int, done: int, total: int) -> None:
        self.listener, self.ranks, self.done, self.total = listener, ranks, done, total
        self.residues, self.rate = 0, 0.0
        self.started = time.perf_counter()

    def count(self, counts: bool, residues: int, loss: float, step: int) -> None:
        self.done = min(self.done + self.ranks * counts, self.total)
        self.residues += residues * counts
        self.rate = self.residues * self.ranks / (time.perf_counter() - self.started)
        self.listener.advance(self.done, {"step": step, "loss": loss, "residues/s": self.rate})
