"""What watches a run from outside: curves in a file, on a board, at a hosted service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

RunStatus = Literal["finished", "stopped", "failed"]
"""How a process ended: with all it had to do, by a signal (the run can go on), or with an error."""


@dataclass(frozen=True)
class TrackedRun:
    """The run a tracker is told of.

    `folder`: the tracker's own place in the run's directory; it exists. `spec`: the resolved spec, every default
    written out. `fold`: the one fold that this process trains, None where it trains all of them, or puts them
    together. `resumed`: whether the run was begun before.
    """

    id: str
    folder: Path
    spec: Mapping[str, Any]
    fold: int | None
    resumed: bool


class Tracker(Protocol):
    """Told how a run goes. Built as `target(options)` on the main process alone.

    Everything happens in one thread of the tracker's own, in the order of the run, and after the fact: the run
    never waits for it. A tracker that raises, or falls far behind, is dropped with one warning; the run goes on.
    Leave the random generators of torch, numpy and Python alone: a run draws from them.
    """

    def begin(self, run: TrackedRun) -> None:
        """The process begins, or goes on with a run; called once, before anything else."""
        ...

    def fold(self, fold: int, steps: int, epochs: int) -> None:
        """A fold begins, or goes on, after so many optimizer steps and whole epochs.

        What was told of it before and lies beyond (a step above `steps`, an epoch above `epochs`) was lost with the
        process and is told again; drop it.
        """
        ...

    def step(self, fold: int, step: int, values: Mapping[str, float]) -> None:
        """An optimizer step was taken, counted from 1 over all epochs of the fold.

        "loss", "learning_rate" and "residues/s", of the micro-batches of the main process.
        """
        ...

    def epoch(self, fold: int, epoch: int, step: int, values: Mapping[str, float]) -> None:
        """An epoch was validated, after so many steps; all its figures, e.g. "ZN/valid/auprc". NaN is possible."""
        ...

    def figure(self, name: str, file: Path) -> None:
        """A figure (PNG) of the finished run, e.g. "fold_1/training"."""
        ...

    def summary(self, summary: Mapping[str, Any]) -> None:
        """What the run came to: summary.json, as a table."""
        ...

    def end(self, status: RunStatus) -> None:
        """The process ends; nothing is told after this."""
        ...
