"""How much memory the largest micro-batch will take, told before training; and whether another way would fit.

What the backward pass needs is what the forward pass keeps for it. That is counted in the smallest micro-batch of
the first epoch, by autograd's own hooks, and grows with the tokens: activations do, and they are nearly all of it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from e1bind.contracts import ResidueRecord
from e1bind.engine.distributed import World
from e1bind.engine.epoch import plan_epoch
from e1bind.engine.guarded import GuardedBackbone
from e1bind.engine.guards import TRAINING_MEMORY, memory_advice
from e1bind.engine.loader import TrainingBatches
from e1bind.engine.model import ContrastiveModel
from e1bind.engine.pipeline import Pipeline
from e1bind.log import log
from e1bind.scoring import Prototype

ROOM = 1.3
"""What is kept, times this, is about what a step holds at most, with gradients and what operations need."""
CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class MemoryPlan:
    """Bytes that the largest micro-batch keeps: with all views at once, and with one view at a time.

    `execution`: the backbone's `view_execution`, None where it has no such option. `free`: bytes there are, None
    where that cannot be told.
    """

    label: str
    execution: str | None
    views: int
    chains: int
    tokens: int
    all_views: float
    free: int | None

    @property
    def one_view(self) -> float:
        """Bytes of one view's activations."""
        return self.all_views / self.views

    @property
    def is_separate(self) -> bool:
        """Whether views run one after the other."""
        return self.execution == "separate"

    def fits(self, kept: float) -> bool:
        """Whether so many bytes leave room for a step."""
        return self.free is None or kept * ROOM <= self.free

    def __str__(self) -> str:
        kept = self.one_view if self.is_separate else self.all_views
        how = "one view at a time" if self.is_separate else f"all {self.views} views at once"
        free = "" if self.free is None else f", {_gigabytes(self.free)} are free"
        size = f"{self.chains} chain{'s' * (self.chains != 1)}, {self.tokens:,} tokens"
        return f"memory: the largest micro-batch ({size}) keeps about {_gigabytes(kept)} with {how}{free}"

    def advice(self) -> str | None:
        """A sentence where this way will not fit, or a faster one would."""
        option = f"backbone.{self.label}.view_execution"
        if self.is_separate:
            fits = self.free is not None and self.fits(self.all_views)
            faster = f'{option} = "auto" keeps about {_gigabytes(self.all_views)}, which fits, and is faster'
            return faster if fits and self.views > 1 else None
        if self.fits(self.all_views):
            return None
        if self.execution and self.views > 1 and self.fits(self.one_view):
            return f'that may not fit: {option} = "separate" keeps about {_gigabytes(self.one_view)}'
        return f"that may not fit: {TRAINING_MEMORY}"


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
    residues = micros.residues()
    smallest, largest = micros[int(residues.argmin())], micros[int(residues.argmax())]
    at_once = _at_once(pipeline)
    small = TrainingBatches(at_once, [smallest], 1)[0]
    large = TrainingBatches(pipeline, [largest], 1)[0]
    kept, backbone, trained = _Kept(model), model.backbone, model.training
    try:
        model.backbone = at_once.backbone
        model.train()
        forked = torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])
        with forked, kept, memory_advice(small):
            model(small.to(device), prototypes.get(small.ion))
    finally:
        model.backbone = backbone
        model.train(trained)
    return MemoryPlan(
        label=pipeline.spec.backbone.label,
        execution=_execution(pipeline),
        views=pipeline.views.num_views,
        chains=len(large.ids),
        tokens=large.tokens.tokens,
        all_views=kept.bytes * large.tokens.tokens / small.tokens.tokens,
        free=free_bytes(device),
    )


def _execution(pipeline: Pipeline) -> str | None:
    """How the backbone runs views; None where that is no option of it."""
    return getattr(pipeline.spec.backbone.options, "view_execution", None)


def _at_once(pipeline: Pipeline) -> Pipeline:
    """The same with a backbone that runs all views at once, where it runs one after the other."""
    if _execution(pipeline) != "separate":
        return pipeline
    chosen = pipeline.spec.backbone
    options = chosen.options.model_copy(update={"view_execution": "auto"})
    backbone = GuardedBackbone(replace(chosen, options=options))
    return replace(pipeline, backbone=backbone, encoder=backbone.encoder())


def tell_memory(
    pipeline: Pipeline,
    model: ContrastiveModel,
    prototypes: dict[str, Prototype],
    records: Sequence[ResidueRecord],
    fold: int,
    world: World,
) -> None:
    """Say the plan in the log, and whether another one would fit. Every rank has to call it: losses may gather."""
    plan = memory_plan(pipeline, model, prototypes, records, fold, world.device)
    if not world.is_main:
        return
    log.info("%s", plan)
    if advice := plan.advice():
        log.log(logging.INFO if plan.is_separate else logging.WARNING, "%s", advice)


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
