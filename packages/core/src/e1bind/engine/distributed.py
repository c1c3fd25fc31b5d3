"""The processes of a run: torch.distributed under torchrun, or just this one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch import distributed as dist
from torch.distributed.rendezvous import rendezvous

from e1bind.errors import LostProcess, UserError

Item = TypeVar("Item")


@dataclass(frozen=True)
class World:
    """This process among all: `rank` of `size`, computing on `device`."""

    rank: int
    size: int
    device: torch.device

    @property
    def is_main(self) -> bool:
        """Whether this process writes the results."""
        return self.rank == 0

    def share(self, items: Sequence[Item]) -> Sequence[Item]:
        """This rank's part of `items`; every item goes to exactly one rank."""
        return items[self.rank :: self.size]

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over all ranks, on every rank."""
        if self.size > 1:
            dist.all_reduce(tensor)
        return tensor

    def gather(self, value: Any) -> list[Any]:
        """The values of all ranks in rank order, on every rank."""
        if self.size == 1:
            return [value]
        gathered: list[Any] = [None] * self.size
        dist.all_gather_object(gathered, value)
        return gathered

    def to_main(self, value: Any) -> list[Any]:
        """The values of all ranks in rank order, on the main one; nothing on the others."""
        if self.size == 1:
            return [value]
        gathered: list[Any] | None = [None] * self.size if self.is_main else None
        dist.gather_object(value, gathered)
        return gathered or []

    def from_main(self, value: Any) -> Any:
        """Rank 0's value, on every rank."""
        if self.size == 1:
            return value
        shared = [value]
        dist.broadcast_object_list(shared, src=0)
        return shared[0]

    def main_does(self, action: Callable[[], Any]) -> Any:
        """What `action` returns on rank 0, on every rank; its `UserError` ends all of them."""
        outcome: tuple[Any, UserError | None] = (None, None)
        if self.is_main:
            try:
                outcome = (action(), None)
            except UserError as error:
                outcome = (None, error)
        value, failed = self.from_main(outcome)
        if failed is not None:
            raise failed
        return value

    def once_a_machine(self, action: Callable[[], Item]) -> Item:
        """What `action` returns in the first process of each machine, in all of its processes; called by all ranks.

        A `UserError` in one of them ends all ranks.
        """
        if self.size == 1:
            return action()
        machine, first = os.environ.get("GROUP_RANK", "0"), os.environ.get("LOCAL_RANK", "0") == "0"
        value: Item | None = None
        failed: UserError | None = None
        if first:
            try:
                value = action()
            except UserError as error:
                failed = error
        outcomes = self.gather((machine, first, value, failed))
        for *_, problem in outcomes:
            if problem is not None:
                raise problem
        return next(value for where, is_first, value, _ in outcomes if is_first and where == machine)

    def barrier(self) -> None:
        """Wait for all ranks."""
        if self.size > 1:
            dist.barrier()


def device_name(device: torch.device) -> str:
    """For people: the GPU's name, or the CPU with the threads torch uses."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type.upper()}, {torch.get_num_threads()} thread{'s'[: torch.get_num_threads() != 1]}"


def under_torchrun() -> bool:
    """Whether torchrun started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def restarts() -> bool:
    """Whether torchrun starts this command again where a process of it dies (`--max-restarts`)."""
    return int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0")) > 0


@contextmanager
def peer_advice(here: World, resume: str) -> Iterator[None]:
    """Turn the failure to reach another process of the run into a `LostProcess` that says how to go on."""
    try:
        yield
    except RuntimeError as error:
        # gloo raises plain ones; only its own message tells them from others.
        if here.size == 1 or not (isinstance(error, dist.DistError) or "gloo" in str(error)):
            raise
        raise LostProcess(
            f"process {here.rank} of {here.size} lost another one, or waited too long for it "
            f"(run.distributed_timeout_minutes); what that one said tells why ({str(error).splitlines()[0]}). "
            f"Go on from the last state:\n  {resume}"
        ) from error


@contextmanager
def world(device: str, timeout_minutes: float) -> Iterator[World]:
    """Join the process group torchrun describes in the environment; without one, a world of one process."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    chosen = _device(device, local_rank)
    if size == 1:
        yield World(0, 1, chosen)
        return
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    backend = "nccl" if chosen.type == "cuda" else "gloo"
    _join(backend, timedelta(minutes=timeout_minutes))
    try:
        yield World(dist.get_rank(), dist.get_world_size(), chosen)
    finally:
        dist.destroy_process_group()


def _join(backend: str, timeout: timedelta) -> None:
    """Join the process group, apart from what processes of an earlier attempt have left.

    torchrun may keep one store over its restarts; a process that is quick then reads the addresses of dead ones.
    """
    store, rank, size = next(rendezvous("env://", timeout=timeout))
    store.set_timeout(timeout)
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    own = dist.PrefixStore(f"e1bind/{attempt}", store)
    dist.init_process_group(backend, store=own, rank=rank, world_size=size, timeout=timeout)


def _device(wanted: str, local_rank: int) -> torch.device:
    if wanted == "cuda" and not torch.cuda.is_available():
        raise UserError("run.device is 'cuda', but torch sees no GPU; set run.device = 'auto' or 'cpu'")
    if wanted == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", local_rank % torch.cuda.device_count())
