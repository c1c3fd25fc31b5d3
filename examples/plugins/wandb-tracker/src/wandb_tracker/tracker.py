"""A run of e1bind as a run of Weights & Biases."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import wandb

from e1bind.contracts import RunStatus, TrackedRun
from wandb_tracker.options import WandbOptions


class WandbTracker:
    """One run there for each run here, by its id, so that one that goes on continues its curves.

    Every fold has an x axis of its own, `fold_1/step`; values that were told before a process was killed are told
    again and stand at the same step.
    """

    def __init__(self, options: WandbOptions) -> None:
        self.options = options

    def begin(self, run: TrackedRun) -> None:
        """Folds that are trained apart are runs of one group."""
        apart = "" if run.fold is None else f"-fold_{run.fold}"
        self.folder = run.folder
        self.run = wandb.init(
            project=self.options.project,
            entity=self.options.entity,
            mode=self.options.mode,
            id=f"{run.id}{apart}",
            name=f"{run.id}{apart}",
            group=run.id,
            tags=self.options.tags,
            config=dict(run.spec),
            dir=str(run.folder),
            resume="allow",
            reinit="create_new",
            # The run's own log and provenance are in its folder; nothing of this machine is sent.
            settings=wandb.Settings(
                console="off", silent=True, disable_git=True, disable_code=True, x_disable_stats=True, symlink=False
            ),
        )

        self._remove_links()

    def fold(self, fold: int, steps: int, epochs: int) -> None:
        """Names the fold's x axis; what was told twice has the same place on it."""
        self.run.define_metric(f"fold_{fold}/step")
        self.run.define_metric(f"fold_{fold}/*", step_metric=f"fold_{fold}/step")

    def step(self, fold: int, step: int, values: Mapping[str, float]) -> None:
        """Every so many steps."""
        if step % self.options.every_steps == 0:
            self._log(fold, step, {f"train/{name}": value for name, value in values.items()})

    def epoch(self, fold: int, epoch: int, step: int, values: Mapping[str, float]) -> None:
        """All figures of an epoch."""
        self._log(fold, step, {**values, "epoch": epoch})

    def figure(self, name: str, file: Path) -> None:
        """As an image."""
        self.run.log({f"figures/{name}": wandb.Image(str(file))})

    def summary(self, summary: Mapping[str, Any]) -> None:
        """What the run came to, below `e1bind`."""
        self.run.summary["e1bind"] = dict(summary)

    def end(self, status: RunStatus) -> None:
        """A stopped run is not failed: it goes on."""
        self.run.summary["status"] = status
        self.run.finish(exit_code=1 if status == "failed" else 0)
        self._remove_links()

    def _remove_links(self) -> None:
        """e1bind refuses a run with a link in it, and the client makes some to its own logs."""
        for path in list(self.folder.rglob("*")):
            if path.is_symlink():
                path.unlink()

    def _log(self, fold: int, step: int, values: Mapping[str, float]) -> None:
        self.run.log({f"fold_{fold}/{name}": value for name, value in {**values, "step": step}.items()})
