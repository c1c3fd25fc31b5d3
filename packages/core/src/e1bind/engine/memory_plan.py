"""How much memory the largest micro-batch will take, told before training; and the way to compute, chosen by it.

What the backward pass needs is what the forward pass keeps for it. That is counted in the smallest micro-batch of
the first epoch, by autograd's own hooks, and grows with the tokens: activations do, and they are nearly all of it.
Where layers keep their inputs alone, one layer's activations come on top, which are there while it is gone through.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from e1bind.contracts import ResidueRecord
from e1bind.data.columns import aligned_mask, lengths_of
from e1bind.engine.distributed import World
from e1bind.engine.epoch import plan_epoch
from e1bind.engine.guards import TRAINING_MEMORY, memory_advice
from e1bind.engine.loader import Micro, TrainingBatches
from e1bind.engine.model import ContrastiveModel
from e1bind.engine.pipeline import Pipeline
from e1bind.engine.ways import (
    AUTO,
    LAYERS,
    VIEWS,
    Way,
    computing,
    keeps_inputs_alone,
    pinned,
    runs_one_by_one,
    ways,
)
from e1bind.log import log
from e1bind.scoring import Prototype

ROOM = 1.3
"""What is kept, times this, is about what a step holds at most, with gradients and what operations need."""
CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Cost:
    """A way, whether it runs views one by one and lets layers keep their inputs alone, and the bytes it keeps."""

    way: Way
    one_by_one: bool
    inputs_alone: bool
    kept: float

    def told(self, views: int) -> str:
        """What it keeps and how, for people."""
        how = "one view at a time" if self.one_by_one else f"all {views} views at once"
        return f"{_gigabytes(self.kept)} with {how}{' and layers that keep their inputs alone' * self.inputs_alone}"


@dataclass(frozen=True)
class MemoryPlan:
    """What the largest micro-batch keeps in each way that the spec leaves open, the spec's own first.

    `free`: bytes there are, None where that cannot be told. `fastest`: bytes with all views at once and everything
    kept, whatever the spec says. `pinned`: what the spec says in place of "auto".
    """

    label: str
    views: int
    chains: int
    tokens: int
    costs: Sequence[Cost]
    pinned: Way
    fastest: float
    free: int | None

    def fits(self, kept: float) -> bool:
        """Whether so many bytes leave room for a step."""
        return self.free is None or kept * ROOM <= self.free

    @property
    def choice(self) -> int:
        """Place of the first way that fits; of the one that keeps least where none does."""
        kept = [cost.kept for cost in self.costs]
        return next((place for place, bytes_ in enumerate(kept) if self.fits(bytes_)), kept.index(min(kept)))

    def told(self, choice: int) -> str:
        """The way that is taken, and why it is not the spec's own."""
        free = "" if self.free is None else f", {_gigabytes(self.free)} are free"
        size = f"{self.chains} chain{'s' * (self.chains != 1)}, {self.tokens:,} tokens"
        taken = f"memory: the largest micro-batch ({size}) keeps about {self.costs[choice].told(self.views)}{free}"
        return f"{taken}; it would keep {self.costs[0].told(self.views)}" if choice else taken

    def advice(self, choice: int) -> str | None:
        """A sentence where this way will not fit, or where one that the spec shuts out would, and is faster."""
        cost = self.costs[choice]
        saving = [name for name, value in self.pinned.items() if value in ("separate", True)]
        if not self.fits(cost.kept):
            others = self._named([name for name in self.pinned if name not in saving])
            return f"that may not fit: {f'set {others}, or ' if others else ''}{TRAINING_MEMORY}"
        if not saving or self.free is None or not self.fits(self.fastest):
            return None
        return f"{self._named(saving)} keeps about {_gigabytes(self.fastest)}, which fits, and is faster"

    def _named(self, names: Sequence[str]) -> str:
        return " and ".join(f'backbone.{self.label}.{name} = "auto"' for name in names)


def memory_plan(
    pipeline: Pipeline,
    model: ContrastiveModel,
    prototypes: dict[str, Prototype],
    records: Sequence[ResidueRecord],
    fold: int,
    device: torch.device,
) -> MemoryPlan:
    """The plan of a fold that trains on `records`; changes nothing, random numbers included."""
    micros = plan_epoch(pipeline, records, fold, 1)
    tokens_M = micros.totals(_most_tokens(pipeline, records))
    smallest, largest = micros[int(tokens_M.argmin())], micros[int(tokens_M.argmax())]
    adjustable = pipeline.backbone.is_adjustable
    checkpoints = adjustable and any(keeps_inputs_alone(pipeline, way) for way in ways(pipeline))
    at_once: Way = {VIEWS: AUTO} if adjustable and runs_one_by_one(pipeline, {}) else {}
    with _tried(pipeline, model, {**at_once, LAYERS: False} if checkpoints else at_once) as tried:
        large = TrainingBatches(tried, [largest], 1)[0]
        all_kept = inputs = _kept_a_token(tried, model, prototypes, smallest, device)
    if checkpoints:
        with _tried(pipeline, model, {**at_once, LAYERS: True}) as tried:
            inputs = _kept_a_token(tried, model, prototypes, smallest, device)
    one_view = _tokens_of_a_view(pipeline, model, largest)
    costs = []
    for way in ways(pipeline):
        one_by_one, alone = runs_one_by_one(pipeline, way), checkpoints and keeps_inputs_alone(pipeline, way)
        a_token = inputs + (all_kept - inputs) / _depth(model.network) if alone else all_kept
        costs.append(Cost(way, one_by_one, alone, a_token * (one_view if one_by_one else large.tokens.tokens)))
    return MemoryPlan(
        label=pipeline.spec.backbone.label,
        views=pipeline.views.num_views,
        chains=len(large.ids),
        tokens=large.tokens.tokens,
        costs=costs,
        pinned=pinned(pipeline),
        fastest=all_kept * large.tokens.tokens,
        free=free_bytes(device),
    )


def _most_tokens(pipeline: Pipeline, records: Sequence[ResidueRecord]) -> NDArray[np.int64]:
    """Tokens that all views of each record may have [N]: of its window, and of the longest context of each view."""
    tokens_N = lengths_of(records)
    if pipeline.max_residues is not None:
        tokens_N = np.minimum(tokens_N, pipeline.max_residues)
    if pipeline.train_contexts is not None:
        tokens_N = tokens_N + aligned_mask(records) * pipeline.train_contexts.options.max_token_length
    return tokens_N * pipeline.views.num_views


@contextmanager
def _tried(pipeline: Pipeline, model: ContrastiveModel, way: Way) -> Iterator[Pipeline]:
    """The pipeline that computes in that way, and `model` set up for it; afterwards as it was."""
    backbone = model.backbone
    try:
        yield computing(pipeline, model, way)
    finally:
        if way:
            pipeline.backbone.adjusted(model.network, pipeline.spec.backbone.options)
        model.backbone = backbone


def _tokens_of_a_view(pipeline: Pipeline, model: ContrastiveModel, micro: Micro) -> float:
    """Where views run one by one; a context that they share is there for each of them. 0 where they never do."""
    way = next((way for way in ways(pipeline) if runs_one_by_one(pipeline, way)), None)
    if way is None:
        return 0.0
    with _tried(pipeline, model, way) as tried:
        return TrainingBatches(tried, [micro], 1)[0].tokens.tokens / pipeline.views.num_views


def _kept_a_token(
    pipeline: Pipeline,
    model: ContrastiveModel,
    prototypes: dict[str, Prototype],
    micro: Micro,
    device: torch.device,
) -> float:
    """Bytes that a micro-batch keeps for the backward pass, by its tokens."""
    kept, trained = _Kept(model), model.training
    batch = TrainingBatches(pipeline, [micro], 1)[0]
    try:
        model.train()
        forked = torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])
        with forked, kept, memory_advice(batch):
            model(batch.to(device), prototypes.get(batch.ion))
    finally:
        model.train(trained)
    return kept.bytes / batch.tokens.tokens


def _depth(network: nn.Module) -> int:
    """Layers of the network: its longest list of modules."""
    return max((len(module) for module in network.modules() if isinstance(module, nn.ModuleList)), default=1)


def choose_way(
    pipeline: Pipeline,
    model: ContrastiveModel,
    prototypes: dict[str, Prototype],
    records: Sequence[ResidueRecord],
    fold: int,
    world: World,
    before: Way | None = None,
) -> Way:
    """The fastest way for which every rank has memory; said in the log, and whether another would fit.

    `before`: the way of what the run has trained so far, which stays. Every rank has to call it: losses may gather.
    """
    plan = memory_plan(pipeline, model, prototypes, records, fold, world.device)
    choice = max(world.gather(plan.choice))
    if before is not None:
        choice = next((place for place, cost in enumerate(plan.costs) if cost.way == before), choice)
    if world.is_main:
        log.info("%s", plan.told(choice))
        if advice := plan.advice(choice):
            log.log(logging.INFO if plan.fits(plan.costs[choice].kept) else logging.WARNING, "%s", advice)
    return plan.costs[choice].way


class _Kept(torch.autograd.graph.saved_tensors_hooks):
    """Counts what a forward pass keeps for the backward pass, each storage once, weights not at all."""

    def __init__(self, model: ContrastiveModel) -> None:
        self.bytes = 0
        self._seen = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
        super().__init__(self._count, lambda tensor: tensor)

    def _count(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in self._seen:
            self._seen.add(storage.data_ptr())
            self.bytes += storage.nbytes()
        return tensor


def free_bytes(device: torch.device) -> int | None:
    """Memory that a process can still have: the card's, or the machine's within the job's own limit."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0]) + torch.cuda.memory_reserved(device)
    if device.type != "cpu":
        return None
    import psutil

    available = int(psutil.virtual_memory().available)
    limit = _job_limit()
    return available if limit is None else max(0, min(available, limit - int(psutil.Process().memory_info().rss)))


def _job_limit() -> int | None:
    """What a container or a cluster's job may take, in bytes; None without a limit."""
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            text = (CGROUP / name).read_text().strip()
        except OSError:
            continue
        return int(text) if text.isdigit() else None
    return None


def _gigabytes(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.0f} MB"
