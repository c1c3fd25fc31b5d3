"""Passes what happens in a run on to its trackers, and to whoever else listens."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from e1bind.contracts import RunStatus, TrackedRun
from e1bind.engine.events import Listener, Passing
from e1bind.engine.guarded import built
from e1bind.engine.tracker_thread import GRACE_SECONDS, TrackerThread
from e1bind.errors import Interrupted
from e1bind.log import log
from e1bind.runs.layout import RunDir, without_links
from e1bind.runs.schemas import Summary
from e1bind.spec import RunSpec

_PLACE = ("fold", "epoch", "ion", "split")
"""Keys of an epoch's row that say what its figures are of."""


class Tracking(Passing):
    """Events for trackers, each in its thread; all else goes to `inner`."""

    def __init__(self, inner: Listener, trackers: list[TrackerThread]) -> None:
        super().__init__(inner)
        self.trackers = trackers

    def tell(self, method: str, *arguments: Any) -> None:
        """Tell every tracker."""
        for tracker in self.trackers:
            tracker.tell(method, *arguments)

    def fold_begins(self, fold: int, steps: int, epochs: int) -> None:
        super().fold_begins(fold, steps, epochs)
        self.tell("fold", fold, steps, epochs)

    def step_done(self, fold: int, step: int, figures: Mapping[str, float]) -> None:
        super().step_done(fold, step, figures)
        self.tell("step", fold, step, figures)

    def epoch_done(self, fold: int, epoch: int, step: int, rows: list[dict[str, Any]]) -> None:
        super().epoch_done(fold, epoch, step, rows)
        self.tell("epoch", fold, epoch, step, flattened(rows))

    def concluded(self, run: RunDir, summary: Summary) -> None:
        super().concluded(run, summary)
        for name, file in run.figures():
            self.tell("figure", name, file)
        self.tell("summary", summary.model_dump(mode="json", exclude_unset=True))


def flattened(rows: list[dict[str, Any]]) -> dict[str, float]:
    """An epoch's figures as "ion/split/name"."""
    return {
        f"{row['ion']}/{row['split']}/{name}": float(value)
        for row in rows
        for name, value in row.items()
        if name not in _PLACE and isinstance(value, int | float)
    }


@contextmanager
def tracked(spec: RunSpec, run: RunDir, fold: int | None, inner: Listener, resumed: bool) -> Iterator[Tracking]:
    """The trackers of a spec, from the begin of a process to its end. For the main process alone."""
    trackers = [TrackerThread(label, partial(built, chosen)) for label, chosen in spec.trackers.items()]
    listener = Tracking(inner, trackers)
    resolved = spec.resolved() if trackers else {}
    for tracker in trackers:
        about = TrackedRun(run.run_id, run.tracker(tracker.label), resolved, fold, resumed)
        about.folder.mkdir(parents=True, exist_ok=True)
        tracker.tell("begin", about)
    status: RunStatus = "failed"
    try:
        yield listener
        status = "finished"
    except (Interrupted, KeyboardInterrupt):
        status = "stopped"
        raise
    finally:
        listener.tell("end", status)
        for tracker in trackers:
            tracker.finish()
        until = time.monotonic() + GRACE_SECONDS
        for tracker in trackers:
            tracker.close(until)
            for link in without_links(run.tracker(tracker.label)):
                log.warning("trackers.%s left the link %s in the run, which was removed", tracker.label, link)
