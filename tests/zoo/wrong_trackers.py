"""Trackers with one fault each."""

from __future__ import annotations

import json
import random
import threading

import numpy as np
import torch
from wrong_plugins import Zoo

from e1bind.plugins import TrackerPlugin, hookimpl
from e1bind.spec import Options

E1BIND_API = 1


class TrackerOptions(Options):
    pass


ZOO = Zoo(TrackerPlugin, {"options": f"{__name__}:TrackerOptions"})


@ZOO.right()
class RightTracker:
    """Counts what it is told."""

    def __init__(self, options):
        self.seen = []

    def begin(self, run):
        self.file = run.folder / "seen.json"

    def fold(self, fold, steps, epochs):
        self.seen.append(("fold", fold, steps))

    def step(self, fold, step, values):
        self.seen.append(("step", fold, step))

    def epoch(self, fold, epoch, step, values):
        self.seen.append(("epoch", fold, epoch))

    def figure(self, name, file):
        self.seen.append(("figure", name))

    def summary(self, summary):
        self.seen.append(("summary",))

    def end(self, status):
        self.file.write_text(json.dumps([*self.seen, status]))


@ZOO.wrong("builds")
class NoEpoch(RightTracker):
    epoch = None


@ZOO.wrong("is-told-of-a-whole-run")
class WantsMoreOfAStep(RightTracker):
    def step(self, fold, step, values, lr):
        super().step(fold, step, values)


@ZOO.wrong("is-told-of-a-whole-run")
class WantsAnAccuracy(RightTracker):
    def epoch(self, fold, epoch, step, values):
        self.seen.append(values["ZN/valid/accuracy"])


@ZOO.wrong("goes-on-where-a-process-before-it-ended")
class WantsAnEmptyFolder(RightTracker):
    def begin(self, run):
        if list(run.folder.iterdir()):
            raise FileExistsError(run.folder)
        super().begin(run)


@ZOO.wrong("goes-on-where-a-process-before-it-ended")
class WantsEveryStepFromTheFirst(RightTracker):
    def step(self, fold, step, values):
        if ("step", fold, step - 1) not in self.seen and step > 1:
            raise IndexError(step)
        super().step(fold, step, values)


@ZOO.wrong("a-run-may-end-at-any-time")
class WantsAnEpochAtTheEnd(RightTracker):
    def end(self, status):
        self.best = max(entry[2] for entry in self.seen if entry[0] == "epoch")
        super().end(status)


@ZOO.wrong("values-may-be-no-numbers")
class WritesStrictJson(RightTracker):
    def epoch(self, fold, epoch, step, values):
        json.dumps(values, allow_nan=False)


@ZOO.wrong("what-it-is-told-stays-as-it-is")
class EmptiesTheValues(RightTracker):
    def step(self, fold, step, values):
        values.clear()


@ZOO.wrong("what-it-is-told-stays-as-it-is")
class RemovesFigures(RightTracker):
    def figure(self, name, file):
        file.unlink()


@ZOO.wrong("generators-are-left-alone")
class DrawsFromPython(RightTracker):
    def begin(self, run):
        super().begin(run)
        self.id = random.random()


@ZOO.wrong("generators-are-left-alone")
class SeedsNumpy(RightTracker):
    def begin(self, run):
        super().begin(run)
        np.random.seed(1)


@ZOO.wrong("generators-are-left-alone")
class DrawsFromTorch(RightTracker):
    def begin(self, run):
        super().begin(run)
        self.id = torch.rand(1)


@ZOO.wrong("its-folder-holds-files-alone")
class LinksToTheLatest(RightTracker):
    def end(self, status):
        super().end(status)
        (self.file.parent / f"{status}.json").symlink_to(self.file)


@ZOO.wrong("nothing-is-left-running")
class LeavesAThread(RightTracker):
    def begin(self, run):
        super().begin(run)
        threading.Thread(target=threading.Event().wait, args=(20,)).start()


@hookimpl
def e1bind_trackers():
    return ZOO.found
