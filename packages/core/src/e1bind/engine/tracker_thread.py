"""One tracker in a thread of its own: whatever it does, the run neither waits for it nor fails with it."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from e1bind.contracts import Tracker
from e1bind.errors import UserError
from e1bind.log import log
from e1bind.plugins.foreign import told

MOST_WAITING = 10_000
"""Events a tracker may be behind: minutes of a fast run."""
GRACE_SECONDS = 10.0
"""How long the end of a process waits for what trackers have still to do."""
_END = None


class TrackerThread:
    """Calls a tracker's methods in the order of `tell`, one after the other, elsewhere.

    It is built there as well. The first exception of any kind, and more than `MOST_WAITING` events not yet taken,
    drop the tracker: one warning, and nothing is told any more.
    """

    def __init__(self, label: str, build: Callable[[], Tracker]) -> None:
        self.label, self.build = label, build
        self.dropped = False
        self._events: queue.Queue[tuple[str, tuple[Any, ...]] | None] = queue.Queue(MOST_WAITING)
        # A daemon: a tracker that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._work, name=f"tracker {label}", daemon=True)
        self._thread.start()

    def tell(self, method: str, *arguments: Any) -> None:
        """Have `method` called with copies, so that what a tracker changes is its own; returns at once."""
        if self.dropped:
            return
        try:
            self._events.put_nowait((method, deepcopy(arguments)))
        except queue.Full:
            self._drop(f"is {MOST_WAITING:,} events behind")

    def finish(self) -> None:
        """Nothing more will be told; returns at once."""
        if self.dropped:
            return
        try:
            self._events.put_nowait(_END)
        except queue.Full:
            self._drop(f"is {MOST_WAITING:,} events behind")

    def close(self, until: float) -> None:
        """Wait for what was told before `finish`, at most until the monotonic clock says `until`."""
        self._thread.join(max(0.0, until - time.monotonic()))
        if self._thread.is_alive() and not self.dropped:
            self._drop(f"has not ended after {GRACE_SECONDS:.0f} s")

    def _work(self) -> None:
        method = "the constructor"
        try:
            tracker = self.build()
            while not self.dropped and (event := self._events.get()) is not _END:
                method, arguments = event
                getattr(tracker, method)(*arguments)
        except UserError as error:
            self._drop(f"failed in {method}: {error}")
        except BaseException as error:  # noqa: BLE001 - it may raise SystemExit as well, and the run goes on
            self._drop(f"failed in {method}: {told(error)}")

    def _drop(self, why: str) -> None:
        if not self.dropped:
            self.dropped = True
            log.warning("trackers.%s %s; it is told nothing more, and the run goes on", self.label, why)
