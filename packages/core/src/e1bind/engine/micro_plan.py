"""The micro-batches of an epoch as places in the training chains: records are made when a batch is.

Shape legend: N records, M micro-batches, K chains of all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from e1bind.contracts import ResidueRecord
from e1bind.data.made import Made
from e1bind.data.packed_strings import starts_of
from e1bind.engine.distributed import World
from e1bind.engine.loader import Micro

Ints = NDArray[np.int64]


class MicroPlan(Made[Micro]):
    """Micro-batches of the chains at some places of `records`; a part of a plan is a plan."""

    def __init__(
        self, records: Sequence[ResidueRecord], by_ion: Sequence[tuple[str, Sequence[Ints]]], order: Ints
    ) -> None:
        """`by_ion`: the places of each micro-batch of each ion; `order` [M]: which of all of them comes when."""
        self.records = records
        self.ions = [ion for ion, _ in by_ion]
        groups = [group for _, of_ion in by_ion for group in of_ion]
        self.ion_M = np.repeat(np.arange(len(by_ion)), [len(of_ion) for _, of_ion in by_ion])
        self.place_K = np.concatenate([np.zeros(0, np.int64), *groups]).astype(np.int32)
        self.cuts = starts_of(np.array([len(group) for group in groups], np.int64))
        self.order = order

    def __len__(self) -> int:
        return len(self.order)

    def totals(self, value_N: Ints) -> Ints:
        """Sums [M] over each micro-batch of something that every one of the `records` has."""
        ends = starts_of(value_N[self.place_K])
        return np.diff(ends[self.cuts])[self.order]

    def _part(self, index: slice) -> MicroPlan:
        part = object.__new__(MicroPlan)
        vars(part).update({**vars(self), "order": self.order[index]})
        return part

    def _one(self, place: int) -> Micro:
        at = self.order[place]
        chains = self.place_K[self.cuts[at] : self.cuts[at + 1]].tolist()
        return Micro(self.ions[self.ion_M[at]], tuple(self.records[chain] for chain in chains))


@dataclass(frozen=True)
class Slot:
    """One forward and backward of this rank: a micro-batch, or a repeat without weight to keep ranks in step."""

    micro: Micro
    counts: bool


class RankSlots(Made[list[Slot]]):
    """For each optimizer step this rank's slots; all ranks have equally many."""

    def __init__(self, micros: Sequence[Micro], accum_steps: int, world: World) -> None:
        self.all, self.accum_steps, self.world = micros, accum_steps, world

    def __len__(self) -> int:
        return -(-len(self.all) // (self.accum_steps * self.world.size))

    def _one(self, place: int) -> list[Slot]:
        group, mine, most = self._places(place)
        slots = [Slot(self.all[own], True) for own in mine]
        return slots + [Slot(self.all[group[0]], False)] * (most - len(mine))

    def _places(self, step: int) -> tuple[range, range, int]:
        """The micro-batches of a step, those of them that are this rank's, and how many slots a rank has."""
        per_step = self.accum_steps * self.world.size
        group = range(step * per_step, min((step + 1) * per_step, len(self.all)))
        return group, group[self.world.rank :: self.world.size], -(-len(group) // self.world.size)

    def micros(self) -> Sequence[Micro]:
        """The micro-batches of all slots, one step after the other."""
        return _SlotMicros(self)

    def micro(self, step: int, slot: int) -> Micro:
        """That of one slot."""
        group, mine, _ = self._places(step)
        return self.all[mine[slot] if slot < len(mine) else group[0]]


class _SlotMicros(Made[Micro]):
    def __init__(self, steps: RankSlots) -> None:
        self.steps = steps
        # All steps but the last have as many slots.
        before, last = max(len(steps) - 1, 0), steps._places(len(steps) - 1)[2] if len(steps) else 0
        self.total = before * steps.accum_steps + last

    def __len__(self) -> int:
        return self.total

    def _one(self, place: int) -> Micro:
        return self.steps.micro(*divmod(place, self.steps.accum_steps))
