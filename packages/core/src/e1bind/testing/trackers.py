"""Checks of trackers: a whole run told to one, also one that stops, goes on, or measures what is no number."""

from __future__ import annotations

import copy
import math
import random
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from e1bind.contracts import RunStatus, TrackedRun, Tracker
from e1bind.testing.check import Broken, Checks
from e1bind.testing.subject import ION, Subject

CHECKS = Checks(always=("builds",))
WHOLE = "is-told-of-a-whole-run"
STEPS, EPOCHS = 4, 2
"""Optimizer steps of an epoch, and epochs, of the run that is told."""
SUMMARY: Mapping[str, Any] = {"run": "tried", "ions": [ION], "oof": {ION: {"metrics": {"auprc": 0.5, "hra": None}}}}


class Told:
    """A run as a tracker is told of it, one fold at a time."""

    def __init__(self, tracker: Tracker, folder: Path, spec: Mapping[str, Any] | None = None) -> None:
        self.tracker, self.folder = tracker, folder
        self.spec = {"run": {"seed": 1}, "training": {"ions": [ION]}} if spec is None else spec

    def begin(self, resumed: bool = False) -> None:
        self.tracker.begin(TrackedRun("tried", self.folder, self.spec, None, resumed))

    def fold(self, fold: int, first: int = 1, last: int = STEPS * EPOCHS, value: float = 0.5) -> None:
        """Steps `first` to `last` of a fold, with the epochs that end in between."""
        self.tracker.fold(fold, first - 1, (first - 1) // STEPS)
        for step in range(first, last + 1):
            self.tracker.step(fold, step, {"loss": value / step, "learning_rate": 1e-3, "residues/s": 800.0})
            if step % STEPS == 0:
                figures = {f"{ION}/train/loss": value / step, f"{ION}/valid/auprc": value}
                self.tracker.epoch(fold, step // STEPS, step, figures)

    def conclude(self, figure: Path, status: RunStatus = "finished") -> None:
        self.tracker.figure("fold_1/training", figure)
        self.tracker.summary(copy.deepcopy(SUMMARY))
        self.tracker.end(status)


def _told(subject: Subject) -> Told:
    return Told(subject.build(), subject.another_folder())


def _figure(subject: Subject) -> Path:
    """A picture of 8 by 8 pixels."""
    from matplotlib.image import imsave

    file = subject.another_folder() / "training.png"
    imsave(file, np.linspace(0, 1, 192).reshape(8, 8, 3))
    return file


def _whole(subject: Subject, told: Told | None = None) -> None:
    told = told or _told(subject)
    told.begin()
    for fold in (1, 2):
        told.fold(fold)
    told.conclude(_figure(subject))


@CHECKS.check("give the tracker every method of e1bind.contracts.Tracker, with its arguments")
def is_told_of_a_whole_run(subject: Subject) -> None:
    """A run of two folds can be told from its begin to its end."""
    _whole(subject)


CHECKS.always = ("builds", WHOLE)


@CHECKS.check("in begin and fold, open what a process before has left in run.folder, or at the service")
def goes_on_where_a_process_before_it_ended(subject: Subject) -> None:
    """A new instance goes on with a stopped run in the same folder, also at a step that was told already."""
    folder = subject.another_folder()
    before = Told(subject.build(), folder)
    before.begin()
    before.fold(1, last=STEPS + 2)
    before.tracker.end("stopped")
    after = Told(subject.build(), folder)
    after.begin(resumed=True)
    after.fold(1, first=STEPS + 1)
    after.fold(2)
    after.conclude(_figure(subject))


@CHECKS.check("a fold may never have begun, and there may be neither figures nor a summary")
def a_run_may_end_at_any_time(subject: Subject) -> None:
    """A run may end before its first fold, within an epoch, and without a summary."""
    for steps in (0, 2):
        told = _told(subject)
        told.begin()
        if steps:
            told.fold(1, last=steps)
        told.tracker.end("failed")


@CHECKS.check("leave out, or mark, a value that is no finite number")
def values_may_be_no_numbers(subject: Subject) -> None:
    """NaN and infinite values are taken."""
    for value in (math.nan, math.inf, -math.inf):
        told = _told(subject)
        told.begin()
        told.fold(1, value=value)
        told.tracker.end("finished")


@CHECKS.check("copy what is to be changed: dict(values)")
def what_it_is_told_stays_as_it_is(subject: Subject) -> None:
    """Spec, values, summary and figures are left unchanged."""
    told, figure = _told(subject), _figure(subject)
    spec, values, summary = copy.deepcopy(dict(told.spec)), {"loss": 0.5}, copy.deepcopy(dict(SUMMARY))
    before = (copy.deepcopy(spec), dict(values), copy.deepcopy(summary), figure.read_bytes())
    told.spec = spec
    told.begin()
    told.tracker.fold(1, 0, 0)
    told.tracker.step(1, 1, values)
    told.tracker.epoch(1, 1, 1, values)
    told.tracker.figure("fold_1/training", figure)
    told.tracker.summary(summary)
    told.tracker.end("finished")
    after = (spec, values, summary, figure.read_bytes() if figure.is_file() else None)
    for what, was, now in zip(("the spec", "values", "the summary", "a figure"), before, after, strict=True):
        if was != now:
            raise Broken(f"changes {what} it is told")


@CHECKS.check("draw from a generator of your own: a run draws from these")
def generators_are_left_alone(subject: Subject) -> None:
    """The random generators of Python, numpy and torch stand where they stood."""
    states: dict[str, Callable[[], Any]] = {
        "Python": random.getstate,
        "numpy": lambda: [np.asarray(part).tolist() for part in np.random.get_state()],
        "torch": lambda: torch.get_rng_state().tolist(),
    }
    # One draw from each: a tracker tried before may have left a generator just where it seeds it.
    _ = random.random(), np.random.random(), torch.rand(1)
    before = {name: state() for name, state in states.items()}
    _whole(subject)
    for name, state in states.items():
        if state() != before[name]:
            raise Broken(f"draws from, or seeds, the generator of {name}")


@CHECKS.check("switch off the links that a client makes for convenience: a run with a link in it is refused")
def its_folder_holds_files_alone(subject: Subject) -> None:
    """It leaves nothing but files and folders in its folder, no links."""
    told = _told(subject)
    _whole(subject, told)
    for path in told.folder.rglob("*"):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise Broken(f"leaves {path.name!r} in its folder, which is no regular file")


@CHECKS.check("join in end what was started, or make it a daemon")
def nothing_is_left_running(subject: Subject) -> None:
    """After the end no thread of the tracker is left that would keep the process from ending."""
    before = set(threading.enumerate())
    _whole(subject)
    left = [thread.name for thread in threading.enumerate() if thread not in before and not thread.daemon]
    if left:
        raise Broken(f"leaves threads running: {', '.join(left)}")
