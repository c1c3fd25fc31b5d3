"""When, on what and by which command a run was trained: a line for each time somebody worked on it.

`sessions.jsonl` lies in the run, that of a fold trained alone in its folder. It stands outside the seals: it says
nothing of the results, and two runs of one spec differ in it.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from pydantic import Field

from e1bind.errors import RunError
from e1bind.files.reading import json_value, read_bytes
from e1bind.files.text import command
from e1bind.files.writing import atomic_write_text
from e1bind.log import log
from e1bind.runs.layout import RunDir
from e1bind.runs.seals import LARGEST, Stored, validated

_OURS = ("e1bind", "e1bind_cli")


class SessionRecord(Stored):
    """One line: begin in UTC (ISO 8601), command line if it was e1bind's own, device, processes.

    `seconds` of training, to the end of its last fold; None where the process was killed before it could say.
    """

    started: Annotated[str, Field(max_length=40)]
    command: Annotated[str, Field(max_length=20_000)] | None
    device: Annotated[str, Field(max_length=200)]
    processes: Annotated[int, Field(ge=1, le=LARGEST)]
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None


class Session:
    """The work at hand. Nothing is written before `begin`; who calls it holds the folder's lock."""

    def __init__(self, file: Path, device: str, processes: int) -> None:
        self.file, self.device, self.processes = file, device, processes
        self._before: list[SessionRecord] = []
        self._own: SessionRecord | None = None
        self._clock = time.monotonic()

    def begin(self) -> None:
        """Write that work has begun; once."""
        if self._own is not None:
            return
        self._before = read_sessions(self.file)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self._own = SessionRecord(started=now, command=own_command(), device=self.device, processes=self.processes)
        self._clock = time.monotonic()
        self._write()

    def pause(self) -> None:
        """Write how long it took so far."""
        if self._own is not None:
            took = round(time.monotonic() - self._clock, 1)
            self._own = self._own.model_copy(update={"seconds": took})
            self._write()

    def _write(self) -> None:
        lines = [json.dumps(record.model_dump()) for record in (*self._before, self._own) if record is not None]
        atomic_write_text(self.file, "".join(f"{line}\n" for line in lines))


def own_command() -> str | None:
    """How this process was started, ready to paste; None for another program than ours, such as a notebook."""
    program = Path(sys.argv[0])
    module = program.parent.name if program.name == "__main__.py" else program.stem
    return command(*sys.argv[1:]) if module in _OURS else None


def read_sessions(file: Path) -> list[SessionRecord]:
    """The lines of a file; none, with a warning, where it is damaged, and without one where there is none."""
    try:
        lines = read_bytes(file).splitlines()
        return [validated(SessionRecord, json_value(line, file), file) for line in lines]
    except FileNotFoundError:
        return []
    except RunError as error:
        log.warning("%s; when and how the run was trained is not known from it", error)
        return []


def sessions_of(run: RunDir) -> list[SessionRecord]:
    """All work on a run and its folds, in order of its begin."""

    def everywhere() -> Iterator[SessionRecord]:
        yield from read_sessions(run.sessions)
        for fold in run.folds():
            yield from read_sessions(fold.sessions)

    return sorted(everywhere(), key=lambda record: record.started)
