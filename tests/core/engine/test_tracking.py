"""Trackers are told of a whole run, in order and once, and whatever they do the run is the same."""

from __future__ import annotations

import json
import logging
import threading
import time
from pathlib import Path

import pytest
from small_runs import StopsAfter, draw_nothing, go_on, results_of, train_once

from e1bind.engine import tracker_thread
from e1bind.engine.crossval import collect, cross_validate
from e1bind.engine.events import Listener
from e1bind.engine.tracker_thread import TrackerThread
from e1bind.errors import Interrupted
from e1bind.runs.frozen_spec import frozen_spec
from e1bind.runs.layout import opened
from e1bind.spec import load_spec

JSONL = "[trackers.jsonl]\n"
WRONG = """\
import os, time
from e1bind.plugins import TrackerPlugin, hookimpl
from e1bind.spec import Options
E1BIND_API = 1

class Choices(Options):
    pass

class Right:
    def __init__(self, options): pass
    def begin(self, run): pass
    def fold(self, fold, steps, epochs): pass
    def step(self, fold, step, values): pass
    def epoch(self, fold, epoch, step, values): pass
    def figure(self, name, file): pass
    def summary(self, summary): pass
    def end(self, status): pass

class Builds(Right):
    def __init__(self, options): raise RuntimeError("no server")

class Begins(Right):
    def begin(self, run): raise SystemExit(3)

class Steps(Right):
    def step(self, fold, step, values): raise KeyboardInterrupt

class Speaks(Right):
    def epoch(self, fold, epoch, step, values):
        values.clear()
        raise type("Odd", (BaseException,), {"__str__": lambda self: 1 / 0})

class Lacks:
    def __init__(self, options): pass

class Hangs(Right):
    def summary(self, summary): time.sleep(600)

class Links(Right):
    def begin(self, run): os.symlink("/", run.folder / "latest")

class Removes(Right):
    def begin(self, run): self.folder = run.folder
    def end(self, status): os.rmdir(self.folder)

NAMES = ("builds", "begins", "steps", "speaks", "lacks", "hangs", "links", "removes")

@hookimpl
def e1bind_trackers():
    return [TrackerPlugin(name=name, target=f"wrong:{name.title()}", options="wrong:Choices", summary="Wrong.")
            for name in NAMES]
"""


@pytest.fixture(scope="module")
def unbroken(spec_text, tmp_path_factory):
    return train_once(tmp_path_factory.mktemp("unbroken"), spec_text + JSONL).run


def lines(file: Path) -> list[dict]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def timeless(rows: list[dict]) -> list[dict]:
    """Without what depends on the clock."""
    return [{**row, "values": {k: v for k, v in row["values"].items() if k != "residues/s"}} for row in rows]


def curves(run, fold: int) -> list[dict]:
    return [row for row in lines(run.tracker("jsonl") / f"fold_{fold}.jsonl") if "values" in row]


def test_every_step_and_epoch_of_every_fold_is_told_once_and_in_order(unbroken):
    for fold in (1, 2):
        rows = curves(unbroken, fold)
        steps = [row["step"] for row in rows if "epoch" not in row]
        assert steps == list(range(1, len(steps) + 1))
        epochs = [row for row in rows if "epoch" in row]
        assert [row["epoch"] for row in epochs] == [1, 2]
        assert epochs[-1]["step"] == steps[-1] == 2 * epochs[0]["step"]
        assert all({"loss", "learning_rate", "residues/s", "ZN/loss/nt-xent"} <= set(r["values"]) for r in rows[:2])


def test_the_figures_of_an_epoch_are_those_of_the_run(unbroken):
    (written,) = (r for r in lines(unbroken.metrics) if (r["fold"], r["epoch"], r["split"]) == (1, 2, "valid"))
    (told,) = [row for row in curves(unbroken, 1) if row.get("epoch") == 2]
    for name in ("auprc", "auroc", "hra", "loss"):
        assert told["values"][f"ZN/valid/{name}"] == written[name]


def test_a_process_says_that_it_began_what_it_came_to_and_how_it_ended(unbroken):
    events = lines(unbroken.tracker("jsonl") / "run.jsonl")
    assert [event["event"] for event in events] == ["begin", "summary", "end"]
    assert (events[0]["run"], events[0]["resumed"], events[2]["status"]) == (unbroken.run_id, False, "finished")
    assert events[1]["summary"] == json.loads(unbroken.summary.read_text())


def test_a_stopped_run_that_goes_on_continues_its_curves(unbroken, spec_text, tmp_path):
    path = tmp_path / "spec.toml"
    path.write_text(spec_text + JSONL)
    with pytest.raises(Interrupted):
        cross_validate(load_spec(path), path, draw_nothing, StopsAfter(2, 4), "run", None)
    run = opened(tmp_path / "results" / "run")
    fold = run.tracker("jsonl") / "fold_1.jsonl"
    with fold.open("a") as file:  # what a killed process wrote beyond its last state
        file.write(
            '{"step": 900, "values": {"loss": 1.0}}\n{"epoch": 2, "step": 6, "values": {}}\n{"step": 901, "va'
        )
    go_on(run.path)
    for number in (1, 2):
        assert timeless(curves(run, number)) == timeless(curves(unbroken, number))
    events = lines(run.tracker("jsonl") / "run.jsonl")
    assert [event["status"] for event in events if event["event"] == "end"] == ["stopped", "finished"]
    assert [event["resumed"] for event in events if event["event"] == "begin"] == [False, True]


def test_folds_that_are_trained_apart_write_apart_and_collect_tells_the_summary(unbroken, spec_text, tmp_path):
    for fold in (1, 2):
        train_once(tmp_path, spec_text + JSONL, "run", fold)
    run = opened(tmp_path / "results" / "run")
    collect(frozen_spec(run), run.path, draw_nothing, Listener())
    for number in (1, 2):
        assert timeless(curves(run, number)) == timeless(curves(unbroken, number))
    assert [event["event"] for event in lines(run.tracker("jsonl") / "run.jsonl")] == ["begin", "summary", "end"]


def test_trackers_that_fail_or_hang_are_named_once_each_and_change_nothing(
    unbroken, spec_text, tmp_path, caplog, monkeypatch
):
    monkeypatch.setattr(tracker_thread, "GRACE_SECONDS", 1.0)
    (tmp_path / "wrong.py").write_text(WRONG)
    names = ("hangs", "builds", "begins", "steps", "speaks", "lacks", "links", "removes")
    tables = '[plugins]\nlocal = ["wrong.py"]\n' + "".join(f"[trackers.{name}]\n" for name in names)
    caplog.set_level(logging.WARNING, logger="e1bind")
    run = train_once(tmp_path, spec_text + JSONL + tables).run
    for name, said in {
        "builds": "failed in the constructor: RuntimeError: no server",
        "begins": "failed in begin: SystemExit: 3",
        "steps": "failed in step: KeyboardInterrupt",
        "speaks": "failed in epoch: Odd (its message cannot be shown)",
        "lacks": "failed in the constructor: tracker local/lacks has no method 'begin'",
        "hangs": "has not ended after",
        "links": "left the link",
    }.items():
        (message,) = [r.getMessage() for r in caplog.records if r.getMessage().startswith(f"trackers.{name} ")]
        assert said in message
    assert opened(run.path).path == run.path
    different = {
        name for name, content in results_of(run.path).items() if content != results_of(unbroken.path)[name]
    }
    assert different <= {"fold_1/fold.json", "fold_2/fold.json"}  # they name the plugins that were there
    assert timeless(curves(run, 1)) == timeless(curves(unbroken, 1))


def test_what_a_tracker_changes_is_its_own():
    seen = []

    class Clears:
        def step(self, values):
            seen.append(dict(values))
            values.clear()

    values = {"loss": 0.5}
    threads = [TrackerThread(name, Clears) for name in ("one", "other")]
    for thread in threads:
        thread.tell("step", values)
    values["loss"] = 1.0  # the run goes on with it
    for thread in threads:
        thread.finish()
        thread.close(time.monotonic() + 10)
    assert seen == [{"loss": 0.5}] * 2
    assert values == {"loss": 1.0}


def test_a_tracker_far_behind_is_dropped_and_nobody_waits_for_it(caplog, monkeypatch):
    monkeypatch.setattr(tracker_thread, "MOST_WAITING", 5)
    leave = threading.Event()

    class Slow:
        def step(self, *_):
            leave.wait(60)

    thread = TrackerThread("slow", Slow)
    for number in range(20):
        thread.tell("step", 1, number, {})
    assert thread.dropped
    leave.set()
    thread.finish()
    thread.close(time.monotonic() + 10)
    assert [r.getMessage() for r in caplog.records] == [
        "trackers.slow is 5 events behind; it is told nothing more, and the run goes on"
    ]


def test_a_finished_run_is_used_without_the_package_of_its_tracker(unbroken):
    table = json.loads(unbroken.resolved_spec.read_text())
    assert table["trackers"] == {"jsonl": {"use": "e1bind-core/jsonl", "every_steps": 1}}
    assert not frozen_spec(unbroken, watched=False).trackers
