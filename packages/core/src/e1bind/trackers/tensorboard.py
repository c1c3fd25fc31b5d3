"""Curves and figures for TensorBoard: a run of its own for each fold, another for what is of all of them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from e1bind.contracts import RunStatus, TrackedRun
from e1bind.errors import UserError
from e1bind.trackers.options import TensorBoardOptions

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class TensorBoard:
    """Event files below the tracker's folder: `tensorboard --logdir RUN/trackers/tensorboard`.

    A fold that goes on hides what lies beyond the step it goes on at. A value that is no number leaves a gap.
    Raises `UserError` where the tensorboard package is not installed.
    """

    def __init__(self, options: TensorBoardOptions) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise UserError(
                "the tensorboard package is not installed: pip install 'e1bind-core[tensorboard]'"
            ) from error
        self.options, self._writer = options, SummaryWriter
        self.folds: dict[int, SummaryWriter] = {}

    def begin(self, run: TrackedRun) -> None:
        self.folder = run.folder
        name = "run" if run.fold is None else f"fold_{run.fold}_run"
        self.whole = self._writer(str(self.folder / name))
        self.whole.add_text("spec", _code(run.spec), 0)

    def fold(self, fold: int, steps: int, epochs: int) -> None:
        self.folds[fold] = self._writer(str(self.folder / f"fold_{fold}"), purge_step=steps + 1)

    def step(self, fold: int, step: int, values: Mapping[str, float]) -> None:
        if step % self.options.every_steps == 0:
            self._scalars(fold, "step", step, values)

    def epoch(self, fold: int, epoch: int, step: int, values: Mapping[str, float]) -> None:
        self._scalars(fold, "epoch", step, {**values, "epoch": epoch})
        self.folds[fold].flush()

    def figure(self, name: str, file: Path) -> None:
        if self.options.figures:
            from matplotlib.image import imread

            self.whole.add_image(name, imread(file)[..., :3], dataformats="HWC")

    def summary(self, summary: Mapping[str, Any]) -> None:
        self.whole.add_text("summary", _code(summary), 0)

    def end(self, status: RunStatus) -> None:
        self.whole.add_text("status", status, 0)
        for writer in (*self.folds.values(), self.whole):
            writer.close()

    def _scalars(self, fold: int, group: str, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            if not math.isnan(value):
                self.folds[fold].add_scalar(f"{group}/{name}", value, step)


def _code(table: Mapping[str, Any]) -> str:
    """A table as Markdown shows code."""
    return "".join(f"    {line}\n" for line in json.dumps(table, indent=2).splitlines())
