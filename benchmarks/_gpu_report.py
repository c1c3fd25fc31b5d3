"""The parts of the GPU report: run one after the other inside a deadline, and written down after each of them."""

from __future__ import annotations

import json
import os
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BEGUN = time.monotonic()
"""When the process began, as far as it can tell: this module is imported before torch, which takes seconds."""
Figures = dict[str, Any]
PATIENCE = 5.0
"""A part may take so many times its budget before it is given up, and at least `LEAST_LIMIT` seconds."""
LEAST_LIMIT = 45.0


@dataclass(frozen=True)
class Part:
    """One check or timing. `budget`: the seconds it is expected to take on an H100, start-up included."""

    name: str
    budget: float
    run: Callable[[], Figures]

    def is_asked_for(self, names: list[str] | None) -> bool:
        """Whether one of `names` is its name, or the first half of it ("step" of "step:e1-150m")."""
        return names is None or self.name in names or self.name.partition(":")[0] in names


class Skipped(Exception):
    """A part cannot run here; the message says why."""


class Failed(AssertionError):
    """A part ran, and its figures are wrong. `figures` are reported all the same."""

    def __init__(self, message: str, figures: Figures) -> None:
        super().__init__(message)
        self.figures = figures


class Report:
    """What was found so far, in memory and in `out`.

    `minutes` count from the start of the process. A part whose budget no longer fits is "not reached", and one that
    takes longer than `patience` budgets is given up.
    """

    def __init__(self, facts: Figures, minutes: float, out: Path | None, patience: float = PATIENCE) -> None:
        self.patience = patience
        self.deadline = BEGUN + 60 * minutes
        self.out = out
        self.content: Figures = {**facts, "minutes": minutes, "parts": {}}

    @property
    def parts(self) -> dict[str, Figures]:
        """Status, seconds and figures of each part, by name."""
        return self.content["parts"]

    @property
    def failed(self) -> list[str]:
        """Names of the parts that failed."""
        return [name for name, part in self.parts.items() if part["status"] == "failed"]

    def left(self) -> float:
        """Seconds until the deadline."""
        return self.deadline - time.monotonic()

    def run(self, part: Part) -> None:
        """Run one part and write down how it went; nothing that it raises ends the report."""
        begun = time.monotonic()
        if part.budget > self.left():
            found: Figures = {"status": "not reached"}
        else:
            found = _outcome(part, min(self.left(), max(LEAST_LIMIT, self.patience * part.budget)))
        self.parts[part.name] = {**found, "seconds": round(time.monotonic() - begun, 2)}
        self.write()
        _say(part.name, self.parts[part.name])

    def write(self) -> None:
        """Replace the file as a whole: a process that is killed leaves what it had."""
        if self.out is None:
            return
        beside = self.out.with_name(f".{self.out.name}.tmp")
        beside.write_text(json.dumps(self.content, indent=2, default=str) + "\n")
        os.replace(beside, self.out)


def _outcome(part: Part, limit: float) -> Figures:
    try:
        with _at_most(limit):
            return {"status": "passed", "figures": part.run()}
    except Skipped as reason:
        return {"status": "skipped", "reason": str(reason)}
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever breaks is what the report is for
        figures = {"figures": error.figures} if isinstance(error, Failed) else {}
        lines = traceback.format_exception(error)
        last = traceback.format_exception_only(error)[-1].strip()
        return {"status": "failed", "error": last, **figures, "traceback": "".join(lines)}


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Raise `TimeoutError` in what runs within, once so many seconds have passed and Python has its turn."""

    def end(*_: object) -> None:
        raise TimeoutError(f"given up after {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _say(name: str, part: Figures) -> None:
    told = part.get("error") or part.get("reason") or json.dumps(part.get("figures", ""), default=str)
    print(f"{part['status']:12} {name:18} {part['seconds']:6.1f} s  {told}", flush=True)
