"""One training epoch: which micro-batches there are, and the optimizer steps over them.

The order of micro-batches, their views and their dropout depend on the seed, fold and epoch alone. A step takes
`accum_steps` micro-batches on each of the W ranks; a micro-batch counts with its share of the step's labelled
residues, so that a mean over residues is the same however the step was cut up, the last, shorter one included.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from e1bind.contracts import ResidueRecord
from e1bind.data.batching import budget_batches, fixed_batches
from e1bind.data.collate import ProteinBatch
from e1bind.engine.averages import Averages
from e1bind.engine.distributed import World
from e1bind.engine.events import Listener
from e1bind.engine.guards import check_finite, check_gradients
from e1bind.engine.loader import Micro, TrainingBatches, batches
from e1bind.engine.model import ContrastiveModel
from e1bind.engine.optimization import learning_rate, set_learning_rate
from e1bind.engine.pipeline import Pipeline
from e1bind.engine.prototypes import Prototype
from e1bind.engine.seeds import derive, seed_torch


@dataclass(frozen=True)
class Slot:
    """One forward and backward of this rank: a micro-batch, or a repeat without weight to keep ranks in step."""

    micro: Micro
    counts: bool


def plan_epoch(pipeline: Pipeline, records: Sequence[ResidueRecord], fold: int, epoch: int) -> list[Micro]:
    """The micro-batches of all ions, mixed: every training chain of each ion exactly once."""
    spec = pipeline.spec
    section = spec.training
    micros = []
    for ion in section.ions:
        chains = [r for r in records if ion in r.labels]
        lengths = [min(len(r), pipeline.max_residues or len(r)) for r in chains]
        rng = np.random.default_rng(derive(spec.run.seed, "batches", fold, epoch, ion))
        if section.max_tokens is None:
            groups = fixed_batches(lengths, section.batch_size, rng)
        else:
            budget = section.max_tokens // pipeline.views.num_views
            groups = budget_batches(lengths, budget, rng, section.length_pool)
        micros += [Micro(ion, tuple(chains[i] for i in group)) for group in groups]
    order = np.random.default_rng(derive(spec.run.seed, "order", fold, epoch)).permutation(len(micros))
    return [micros[i] for i in order]


def rank_slots(micros: Sequence[Micro], accum_steps: int, world: World) -> list[list[Slot]]:
    """For each optimizer step this rank's slots; all ranks have equally many."""
    per_step = accum_steps * world.size
    steps = []
    for start in range(0, len(micros), per_step):
        group = micros[start : start + per_step]
        mine = [Slot(micro, True) for micro in group[world.rank :: world.size]]
        most = -(-len(group) // world.size)
        mine += [Slot(group[0], False)] * (most - len(mine))
        steps.append(mine)
    return steps


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
    ) -> None:
        self.pipeline, self.model, self.wrapped = pipeline, model, wrapped
        self.optimizer, self.prototypes = optimizer, prototypes
        self.world, self.listener = world, listener
        self.section = pipeline.spec.training
        self.trainable = [(n, p) for n, p in model.named_parameters() if p.requires_grad]

    def run(self, micros: Sequence[Micro], fold: int, epoch: int) -> dict[str, dict[str, float]]:
        """Train on `micros`; mean losses and logs by ion. Raises `RunError` before a non-finite step is taken."""
        self.model.train()
        steps = rank_slots(micros, self.section.accum_steps, self.world)
        loaded = self._load(steps, epoch)
        averages = {ion: Averages() for ion in self.section.ions}
        done = residues = 0
        started = time.perf_counter()
        for number, slots in enumerate(steps):
            group = [next(loaded) for _ in slots]
            total = self._labelled(slots, group)
            for place, (slot, batch) in enumerate(zip(slots, group, strict=True)):
                weight = batch.labelled / total if slot.counts else 0.0
                # What a micro-batch is, not who computes it, seeds its dropout.
                index = (number * self.section.accum_steps + place) * self.world.size + self.world.rank
                seed_torch(self.pipeline.spec.run.seed, "dropout", fold, epoch, index)
                self._backward(batch, weight, averages, last=place == len(slots) - 1)
                done += slot.counts
                residues += batch.labelled * slot.counts
                rate = residues / (time.perf_counter() - started)
                self.listener.advance(done, {"loss": self._last_loss, "residues/s": rate * self.world.size})
            self._step(epoch - 1 + (number + 1) / len(steps), group)
        return {ion: a.means(self.world) for ion, a in averages.items()}

    def _load(self, steps: Sequence[Sequence[Slot]], epoch: int) -> Iterator[ProteinBatch]:
        flat = [slot.micro for slots in steps for slot in slots]
        return batches(TrainingBatches(self.pipeline, flat, epoch), self.section.workers)

    def _labelled(self, slots: Sequence[Slot], group: Sequence[ProteinBatch]) -> int:
        """Labelled residues of the whole step, all ranks together."""
        mine = sum(b.labelled for s, b in zip(slots, group, strict=True) if s.counts)
        return max(int(self.world.sum(torch.tensor([mine], device=self.world.device))), 1)

    def _backward(self, batch: ProteinBatch, weight: float, averages: dict[str, Averages], last: bool) -> None:
        # DDP averages gradients over ranks at the last backward of a step; the weights want their sum.
        sync = isinstance(self.wrapped, DistributedDataParallel) and not last
        with self.wrapped.no_sync() if sync else contextlib.nullcontext():  # type: ignore[operator]
            output = self.wrapped(batch.to(self.world.device), self.prototypes[batch.ion])
            check_finite(output, batch)
            (output.total * (weight * self.world.size)).backward()
        self._last_loss = float(output.total.detach())
        averages[batch.ion].add_step(output, batch.labelled if weight else 0)

    def _step(self, epochs_done: float, group: Sequence[ProteinBatch]) -> None:
        check_gradients(self.trainable, group)
        set_learning_rate(self.optimizer, learning_rate(self.section, epochs_done))
        if self.section.grad_clip:
            torch.nn.utils.clip_grad_norm_([p for _, p in self.trainable], self.section.grad_clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
