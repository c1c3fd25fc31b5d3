"""SIGTERM and Ctrl-C: the first asks for a stop after the step at hand, the second stops at once.

Under torchrun one request comes twice: a scheduler signals every process of a job, and torchrun, which is one of
them, passes the signal on. So there a repeat within a few seconds is the same request, also while the process ends.
"""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType

import torch

from e1bind.engine.distributed import World, under_torchrun
from e1bind.errors import Interrupted
from e1bind.log import log

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_SAME_REQUEST_SECONDS = 5.0


class StopRequest:
    """While it is entered, the first SIGTERM or SIGINT is noted here instead of taking effect."""

    def __init__(self, resume: str) -> None:
        """`resume`: the command that goes on, for the message."""
        self.resume = resume
        self.signal: int | None = None
        self._noted_at = 0.0
        self._before: dict[int, object] = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in _SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        if self.signal is None or not under_torchrun():
            self._restore()

    def _note(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.signal is None:
            self.signal, self._noted_at = number, now
            log.warning("%s: stopping after this step", signal.Signals(number).name)
        elif not under_torchrun() or now - self._noted_at > _SAME_REQUEST_SECONDS:
            self._restore()
            signal.raise_signal(number)

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._before = {}

    def wanted(self, world: World) -> bool:
        """Whether any rank has received a signal; all ranks must ask."""
        if world.size == 1:
            return self.signal is not None
        return bool(world.sum(torch.tensor(int(self.signal is not None), device=world.device)))

    def agreed(self, world: World) -> int | None:
        """The signal any rank has received, on every rank."""
        if world.size == 1:
            return self.signal
        return max((s for s in world.gather(self.signal) if s is not None), default=None)

    def raise_if(self, number: int | None, where: str) -> None:
        """Raise `Interrupted` for a signal; the state must be on disk."""
        if number is not None:
            name = signal.Signals(number).name
            raise Interrupted(number, f"stopped by {name} {where}; it can go on:\n  {self.resume}")
