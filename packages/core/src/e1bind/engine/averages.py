"""Weighted means of scalars over micro-batches and ranks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from e1bind.engine.distributed import World
from e1bind.engine.model import StepOutput

Sums = dict[str, tuple[float, float]]
"""Weighted sum and sum of weights, by name."""


class Averages:
    """Running weighted means by name. A NaN says that a batch had nothing to measure, and is left out."""

    def __init__(self, sums: Sums | None = None) -> None:
        self._sums: Sums = dict(sums or {})

    def add(self, name: str, value: float, weight: float) -> None:
        """Count `value` with `weight`."""
        if math.isnan(value) or weight == 0:
            return
        total, weights = self._sums.get(name, (0.0, 0.0))
        self._sums[name] = (total + value * weight, weights + weight)

    def add_step(self, scalars: Mapping[str, float], residues: int) -> None:
        """Count the `scalars_of` a forward pass, weighted by its labelled residues."""
        for name, value in scalars.items():
            self.add(name, value, residues)

    def means(self, world: World) -> dict[str, float]:
        """The means over all ranks, on every rank, in the order names were first seen."""
        return _means(self.sums(world))

    def own_means(self) -> dict[str, float]:
        """The means of this rank alone."""
        return _means(self._sums)

    def sums(self, world: World) -> Sums:
        """The sums over all ranks, on every rank."""
        totals: Sums = {}
        for part in world.gather(self._sums):
            for name, (total, weight) in part.items():
                old = totals.get(name, (0.0, 0.0))
                totals[name] = (old[0] + total, old[1] + weight)
        return totals


def scalars_of(output: StepOutput) -> dict[str, float]:
    """Everything a forward pass measured, as numbers: a wait for the device, so once a micro-batch.

    A log that several losses write is told apart by the loss's label.
    """
    found = {"loss": output.total.detach()}
    names = [name for logs in output.logs.values() for name in logs]
    for label, value in output.losses.items():
        found[f"loss/{label}"] = value
        for name, logged in output.logs[label].items():
            found[name if names.count(name) == 1 else f"{label}/{name}"] = logged
    return dict(zip(found, _numbers(list(found.values())), strict=True))


def _numbers(scalars: Sequence[Tensor]) -> list[float]:
    """The scalars' values, fetched once for each dtype and device."""
    values = [0.0] * len(scalars)
    kinds = [(scalar.dtype, scalar.device) for scalar in scalars]
    for kind in set(kinds):
        places = [i for i, other in enumerate(kinds) if other == kind]
        for i, value in zip(places, torch.stack([scalars[i].reshape(()) for i in places]).tolist(), strict=True):
            values[i] = float(value)
    return values


def _means(sums: Sums) -> dict[str, float]:
    return {name: total / weight for name, (total, weight) in sums.items()}
