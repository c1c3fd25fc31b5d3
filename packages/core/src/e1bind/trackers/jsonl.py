"""Everything a run tells, as lines of JSON: `fold_N.jsonl` for each fold, `run.jsonl` for the rest."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from e1bind.contracts import RunStatus, TrackedRun
from e1bind.files.reading import plain
from e1bind.files.writing import atomic_write_text
from e1bind.trackers.options import JsonLinesOptions


class JsonLines:
    """One line an event. Lines of a fold that a killed process wrote too many are removed when it goes on.

    A fold's lines have "step" and "values", those of a whole epoch "epoch" as well; a value that is no finite
    number is null. Events of the whole process ("begin", "figure", "summary", "end") stand in `run.jsonl`, or with
    the fold if the process trains that one alone.
    """

    def __init__(self, options: JsonLinesOptions) -> None:
        self.every_steps = options.every_steps

    def begin(self, run: TrackedRun) -> None:
        self.folder = run.folder
        self.process = self.folder / "run.jsonl" if run.fold is None else self._of(run.fold)
        self._append(self.process, {"event": "begin", "run": run.id, "resumed": run.resumed})

    def fold(self, fold: int, steps: int, epochs: int) -> None:
        def kept(row: dict[str, Any]) -> bool:
            known = row["epoch"] <= epochs if "epoch" in row else row.get("step", 0) <= steps
            return "values" not in row or known

        _keep(self._of(fold), kept)

    def step(self, fold: int, step: int, values: Mapping[str, float]) -> None:
        if step % self.every_steps == 0:
            self._append(self._of(fold), {"step": step, "values": _finite(values)})

    def epoch(self, fold: int, epoch: int, step: int, values: Mapping[str, float]) -> None:
        self._append(self._of(fold), {"epoch": epoch, "step": step, "values": _finite(values)})

    def figure(self, name: str, file: Path) -> None:
        self._append(self.process, {"event": "figure", "name": name, "file": str(file)})

    def summary(self, summary: Mapping[str, Any]) -> None:
        self._append(self.process, {"event": "summary", "summary": plain(summary)})

    def end(self, status: RunStatus) -> None:
        self._append(self.process, {"event": "end", "status": status})

    def _of(self, fold: int) -> Path:
        return self.folder / f"fold_{fold}.jsonl"

    def _append(self, file: Path, row: Mapping[str, Any]) -> None:
        # Opened for each line: a run goes on for days, and its folder may be moved or copied meanwhile.
        with file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(row, allow_nan=False) + "\n")


def _finite(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in values.items()}


def _keep(file: Path, wanted: Callable[[dict[str, Any]], bool]) -> None:
    """Leave the lines that are `wanted`; one that a killed process left unfinished is not."""
    if not file.exists():
        return
    rows = []
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if wanted(row):
            rows.append(line + "\n")
    atomic_write_text(file, "".join(rows))
