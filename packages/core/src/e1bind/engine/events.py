"""What the engine tells whoever watches: progress, through a listener. (Text goes through `e1bind.log`.)"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from e1bind.log import PROGRESS, log
from e1bind.runs.layout import RunDir
from e1bind.runs.schemas import Summary

EVERY_SECONDS = 30.0
"""How often a long stage says where it is."""


class Listener:
    """Progress events; this one ignores them. The command line draws bars from them."""

    def stage(self, title: str, total: int) -> None:
        """A stage of `total` micro-batches begins."""

    def advance(self, done: int, figures: Mapping[str, float]) -> None:
        """`done` micro-batches of the stage are done; `figures` are worth showing (losses, residues per second)."""

    def validate(self, done: int, total: int) -> None:
        """`done` of the `total` batches of chains held out are scored."""

    def stage_done(self) -> None:
        """The stage is over."""

    def draw(self, done: int, total: int) -> None:
        """`done` of the `total` sets of figures are drawn: one for each fold, and that of the whole run."""

    def fold_begins(self, fold: int, steps: int, epochs: int) -> None:
        """A fold begins, or goes on after so many optimizer steps and whole epochs."""

    def step_done(self, fold: int, step: int, figures: Mapping[str, float]) -> None:
        """An optimizer step was taken, counted from 1 over the epochs of the fold; figures of this process."""

    def epoch_done(self, fold: int, epoch: int, step: int, rows: list[dict[str, Any]]) -> None:
        """An epoch was validated, after so many steps; `rows` are its figures."""

    def concluded(self, run: RunDir, summary: Summary) -> None:
        """The run was put together: its figures are drawn, and its summary is written."""


class Passing(Listener):
    """Passes every event on to another listener; what is derived from it does more with some of them."""

    def __init__(self, inner: Listener) -> None:
        self.inner = inner

    def stage(self, title: str, total: int) -> None:
        self.inner.stage(title, total)

    def advance(self, done: int, figures: Mapping[str, float]) -> None:
        self.inner.advance(done, figures)

    def validate(self, done: int, total: int) -> None:
        self.inner.validate(done, total)

    def stage_done(self) -> None:
        self.inner.stage_done()

    def draw(self, done: int, total: int) -> None:
        self.inner.draw(done, total)

    def fold_begins(self, fold: int, steps: int, epochs: int) -> None:
        self.inner.fold_begins(fold, steps, epochs)

    def step_done(self, fold: int, step: int, figures: Mapping[str, float]) -> None:
        self.inner.step_done(fold, step, figures)

    def epoch_done(self, fold: int, epoch: int, step: int, rows: list[dict[str, Any]]) -> None:
        self.inner.epoch_done(fold, epoch, step, rows)

    def concluded(self, run: RunDir, summary: Summary) -> None:
        self.inner.concluded(run, summary)


class Spoken(Passing):
    """Says every half minute in the log where a long stage is: a file has no bar."""

    def __init__(self, inner: Listener, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(inner)
        self.clock = clock
        self.title, self.total = "", 0
        self.began = self.spoke = clock()
        self.first = 0

    def stage(self, title: str, total: int) -> None:
        self.title, self.total = title, total
        self.began = self.spoke = self.clock()
        self.first = -1
        super().stage(title, total)

    def advance(self, done: int, figures: Mapping[str, float]) -> None:
        super().advance(done, figures)
        # What a resumed epoch had done before says nothing of the rate.
        self.first = done - 1 if self.first < 0 else self.first
        if self._due():
            left = self._left(done - self.first, self.total - done)
            said = (self.title, done, self.total, shown(figures), left)
            log.info("%s: micro-batch %d of %d  %s  %s left", *said, extra=PROGRESS)

    def validate(self, done: int, total: int) -> None:
        super().validate(done, total)
        if done == 1:
            self.began = self.clock()
        if self._due():
            left = self._left(done, total - done)
            log.info("%s, validation: batch %d of %d  %s left", self.title, done, total, left, extra=PROGRESS)

    def draw(self, done: int, total: int) -> None:
        super().draw(done, total)
        if done == 0:
            log.info("drawing figures", extra=PROGRESS)

    def step_done(self, fold: int, step: int, figures: Mapping[str, float]) -> None:
        super().step_done(fold, step, figures)
        log.debug("fold %d, step %d  %s", fold, step, shown(figures))

    def _due(self) -> bool:
        if self.clock() - self.spoke < EVERY_SECONDS:
            return False
        self.spoke = self.clock()
        return True

    def _left(self, done: int, rest: int) -> str:
        seconds = round((self.clock() - self.began) / done * rest)
        return f"{seconds // 3600}:{seconds % 3600 // 60:02}:{seconds % 60:02}"


def shown(figures: Mapping[str, float]) -> str:
    """Figures on a line, e.g. "loss 0.6931  residues/s 1,204"."""
    return "  ".join(f"{name} {value:,.4g}" for name, value in figures.items())
