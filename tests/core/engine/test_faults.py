"""What docs/reliability.md lists: after each fault a run goes on to the bytes of one that was never disturbed.

All kill points: E1BIND_ALL_FAULTS=1 uv run pytest -m "slow or not slow" tests/core/engine/test_faults.py
"""

from __future__ import annotations

import os
import random
import resource
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from forks import fork, kill_at, ranks, wait
from small_runs import draw_nothing, go_on, results_of, train_once

from e1bind.engine import crossval
from e1bind.engine.crossval import collect
from e1bind.engine.events import Listener
from e1bind.errors import RunError
from e1bind.files import writing
from e1bind.runs.fold_state import StateFiles
from e1bind.runs.frozen_spec import frozen_spec
from e1bind.runs.layout import RunDir
from e1bind.spec import load_spec

EVERYTHING = os.environ.get("E1BIND_ALL_FAULTS") == "1"
SHORT = ("5a7u_A", "1oi0_A", "6zu5_LMM", "6zu5_LJJ", "6zu5_SDD", "6zu5_SBB")
RUN = "faulty"


@pytest.fixture(scope="module")
def text(tmp_path_factory, spec_text, root) -> str:
    """A run of six short chains, a second long; its state is saved after every step."""
    data = tmp_path_factory.mktemp("data")
    records = (root / "examples" / "data" / "ZN_train.fasta").read_text().split(">")[1:]
    (data / "ZN_train.fasta").write_text("".join(f">{r}" for r in records if r.split()[0] in SHORT))
    text = spec_text.replace(f'train = "{root}/examples/data', f'train = "{data}')
    return text.replace("accum_steps = 2", "accum_steps = 1\nsave_every_steps = 1")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, text) -> dict[str, bytes]:
    """What the run leaves when nothing happens to it."""
    return results_of(train_once(tmp_path_factory.mktemp("undisturbed"), text, RUN).run.path)


def train_or_resume(folder: Path, text: str) -> None:
    """What a requeued job does."""
    run = folder / "results" / RUN
    if run.exists():
        go_on(run)
    else:
        train_once(folder, text, RUN)


def finish(folder: Path, text: str) -> dict[str, bytes]:
    """Resume to the end; the run must not have counted as finished before."""
    train_or_resume(folder, text)
    run = folder / "results" / RUN
    assert not list(run.rglob(".*.tmp"))
    return results_of(run)


@pytest.fixture(scope="module")
def span(tmp_path_factory, text) -> float:
    """Seconds that a run takes here, in a process like those that are killed."""
    folder = tmp_path_factory.mktemp("timed")
    begin = time.monotonic()
    assert wait(fork(lambda: train_once(folder, text, RUN), folder / "log")) == 0
    return time.monotonic() - begin


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_kill_9_at_random_moments(tmp_path, text, undisturbed, span, seed):
    """Eight kills of one run, one after the other, wherever they meet it."""
    rng = random.Random(seed)
    kills = 0
    while kills < 8:
        pid = fork(lambda: train_or_resume(tmp_path, text), tmp_path / "log")
        time.sleep(rng.uniform(0.02, span / 2))
        os.kill(pid, signal.SIGKILL)
        kills += wait(pid) == -signal.SIGKILL
        if (tmp_path / "results" / RUN / "summary.json").exists():
            break
    assert kills
    assert finish(tmp_path, text) == undisturbed


POINTS = [(name, call) for name in ("fsync", "replace") for call in range(1, 60)]


@pytest.mark.slow
@pytest.mark.sample
@pytest.mark.parametrize(("name", "call"), POINTS if EVERYTHING else POINTS[::20])
def test_kill_9_while_a_file_is_written(tmp_path, text, undisturbed, name, call):
    """At the n-th time a file is synced to disk, or renamed into its place."""

    def work() -> None:
        kill_at(call, *((os, "fsync") if name == "fsync" else (Path, "replace")))
        train_once(tmp_path, text, RUN)

    code = wait(fork(work, tmp_path / "log"))
    assert code in (-signal.SIGKILL, 0), (tmp_path / "log").read_text()
    run = tmp_path / "results" / RUN
    if code and (run / "summary.json").exists():
        assert '"status": "finished"' not in (run / "summary.json").read_text()
    assert finish(tmp_path, text) == undisturbed


@pytest.mark.slow
@pytest.mark.parametrize("call", range(1, 12) if EVERYTHING else (2, 5))
def test_kill_9_in_collect(tmp_path, text, undisturbed, call):
    for fold in (1, 2):
        train_once(tmp_path, text, RUN, fold)
    run = RunDir(tmp_path / "results" / RUN)

    def work() -> None:
        kill_at(call, os, "fsync")
        collect(frozen_spec(run), run.path, draw_nothing, Listener())

    assert wait(fork(work, tmp_path / "log")) in (-signal.SIGKILL, 0)
    collect(frozen_spec(run), run.path, draw_nothing, Listener())
    assert results_of(run.path) == undisturbed


@pytest.mark.slow
@pytest.mark.sample
def test_a_rank_that_dies_ends_the_job_and_the_run_goes_on(tmp_path, text, undisturbed):
    """gloo tells the other rank; under torchrun the launcher ends it too. It goes on with one process."""
    two = text.replace("epochs = 2", "epochs = 300")
    pids = ranks(lambda: train_once(tmp_path, two, RUN), tmp_path / "log")
    state = tmp_path / "results" / RUN / "fold_1" / "last"
    end = time.monotonic() + 60
    while not (state.is_dir() and any(state.glob("*.pt"))) and time.monotonic() < end:
        time.sleep(0.02)
    os.kill(pids[1], signal.SIGKILL)
    assert wait(pids[1]) == -signal.SIGKILL
    assert wait(pids[0], 60) == 1
    assert "Connection" in (tmp_path / "log").read_text() or "gloo" in (tmp_path / "log").read_text().lower()
    run = tmp_path / "results" / RUN
    assert not (run / "summary.json").exists()
    assert any((run / "fold_1" / "last").glob("*.pt"))


def test_a_second_writer_is_refused_while_the_first_lives(tmp_path, text):
    pid = fork(lambda: train_once(tmp_path, text.replace("epochs = 2", "epochs = 300"), RUN), tmp_path / "log")
    run = tmp_path / "results" / RUN
    try:
        end = time.monotonic() + 60
        while not (run / "fold_1" / "last").is_dir() and time.monotonic() < end:
            time.sleep(0.02)
        with pytest.raises(RunError, match=rf"is being written by another process \(pid {pid}\)"):
            go_on(run)
        with pytest.raises(RunError, match=rf"fold_1 is being written by another process \(pid {pid}\)"):
            go_on(run, 1)
    finally:
        os.kill(pid, signal.SIGKILL)
        wait(pid)


def stopped(tmp_path: Path, text: str) -> RunDir:
    """A run killed in its second fold."""

    def work() -> None:
        kill_at(9, StateFiles, "save")  # six in a fold
        train_once(tmp_path, text, RUN)

    assert wait(fork(work, tmp_path / "log")) == -signal.SIGKILL
    assert len(list((tmp_path / "results" / RUN / "fold_2" / "last").glob("*.pt"))) == 2
    return RunDir(tmp_path / "results" / RUN)


@pytest.mark.parametrize("damage", ["truncated", "bit flipped"])
def test_a_damaged_state_is_known_and_the_one_before_it_used(tmp_path, text, undisturbed, damage):
    run = stopped(tmp_path, text)
    states = sorted(run.fold(2).states.glob("*.pt"))
    content = bytearray(states[-1].read_bytes())
    content[len(content) // 3] ^= 4
    states[-1].write_bytes(bytes(content) if damage == "bit flipped" else bytes(content[: len(content) // 2]))
    assert finish(tmp_path, text) == undisturbed
    assert "is damaged: the state before it is used" in run.log.read_text()


@pytest.mark.parametrize("name", ["fold_1/oof_preds.npz", "fold_1/fold.json", "spec.resolved.json", "data.json"])
def test_a_damaged_result_is_refused_not_believed(tmp_path, text, name):
    run = stopped(tmp_path, text)
    path = run.path / name
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(RunError, match=r"damaged|cannot be read"):
        finish(tmp_path, text)
    assert not run.summary.exists()


@pytest.mark.parametrize("kilobytes", [12, 20, 60])
def test_a_full_disk_leaves_the_last_state_readable(tmp_path, text, undisturbed, kilobytes):
    """The system refuses to let any file grow beyond a limit, as it does when there is no room."""

    def work() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (kilobytes * 1024, kilobytes * 1024))
        train_once(tmp_path, text, RUN)

    assert wait(fork(work, tmp_path / "log")) == 1
    assert "cannot be written" in (tmp_path / "log").read_text()
    assert finish(tmp_path, text) == undisturbed


def test_no_room_in_the_middle_of_a_run(tmp_path, text, undisturbed, monkeypatch):
    calls = 0
    real = os.fsync

    def full(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls > 12:
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(writing.os, "fsync", full)
    with pytest.raises(RunError, match=r"(?s)No space left on device.*make room, then go on:.*--resume"):
        train_once(tmp_path, text, RUN)
    monkeypatch.undo()
    assert finish(tmp_path, text) == undisturbed


def test_training_data_that_changed_is_refused(tmp_path, text, root):
    data = tmp_path / "ZN_train.fasta"
    source = Path(text.split('train = "')[1].split('"')[0].replace("{ion}", "ZN"))
    data.write_text(source.read_text())
    own = text.replace(str(source.parent), str(tmp_path))
    run = stopped(tmp_path, own)
    lines = data.read_text().split("\n")
    place = next(i for i, line in enumerate(lines) if line.startswith("0"))
    lines[place] = "1" + lines[place][1:]
    data.write_text("\n".join(lines))
    for force in (False, True):
        with pytest.raises(RunError, match=r"training data has changed .*positives: \d+ -> \d+"):
            go_on(run.path, force=force)


def test_a_spec_that_changed_is_refused_unless_forced(tmp_path, text):
    run = stopped(tmp_path, text)
    changed = load_spec(tmp_path / "spec.toml", ["training.weight_decay=0.1"])
    with pytest.raises(RunError, match=r"(?s)spec: training\.weight_decay: 0\.05 -> 0\.1.*--force"):
        go_on(run.path, spec=changed)
    assert go_on(run.path, spec=changed, force=True).summary.finished
    assert frozen_spec(run).training.weight_decay == 0.1


def test_an_edited_frozen_spec_is_refused(tmp_path, text):
    run = stopped(tmp_path, text)
    path = run.resolved_spec
    path.write_text(path.read_text().replace('"epochs": 2', '"epochs": 3'))
    with pytest.raises(RunError, match=r"spec\.resolved\.json itself was edited"):
        go_on(run.path)


def test_a_plugin_of_another_version_is_refused_unless_forced(tmp_path, text):
    run = stopped(tmp_path, text)
    path = run.path / "plugins.json"
    path.write_text(path.read_text().replace('"version": "0.1.0"', '"version": "0.0.9"', 1))
    with pytest.raises(RunError, match=r'plugin of .*version: "0\.0\.9" -> "0\.1\.0"'):
        go_on(run.path)
    assert go_on(run.path, force=True).summary.finished


def test_nan_from_a_chain_is_named(tmp_path, text, monkeypatch):
    """A chain whose embeddings come out as NaN, whatever the reason."""
    build = crossval.build_pipeline

    def broken(spec, msa_cache=None):
        pipeline = build(spec, msa_cache)
        hidden = pipeline.backbone.hidden

        def poisoned(model, tokens):
            states = hidden(model, tokens)
            return states * torch.nan if model.training else states

        monkeypatch.setattr(pipeline.backbone, "hidden", poisoned)
        return pipeline

    monkeypatch.setattr(crossval, "build_pipeline", broken)
    with pytest.raises(RunError, match=r"fold 1, epoch 1, step 1: losses\..* is not finite for ZN in \w+"):
        train_once(tmp_path, text, RUN)
    assert not (tmp_path / "results" / RUN / "summary.json").exists()


def test_out_of_memory_says_what_to_lower(tmp_path, text, monkeypatch):
    """A real refusal of the allocator: the process may not grow any further."""
    build = crossval.build_pipeline

    def hungry(spec, msa_cache=None):
        pipeline = build(spec, msa_cache)
        hidden = pipeline.backbone.hidden

        def greedy(model, tokens):
            if model.training:
                torch.empty(2**50, dtype=torch.float32)
            return hidden(model, tokens)

        monkeypatch.setattr(pipeline.backbone, "hidden", greedy)
        return pipeline

    monkeypatch.setattr(crossval, "build_pipeline", hungry)
    with pytest.raises(RunError, match=r"out of memory at ZN, .*num_variants.*max_residues") as raised:
        train_once(tmp_path, text, RUN)
    assert "activation checkpointing" in str(raised.value)


def test_a_finished_run_is_left_as_it_is(tmp_path, text):
    done = train_once(tmp_path, text, RUN)
    before = {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in done.run.path.rglob("*.npz")}
    again = go_on(done.run.path)
    assert again.summary == done.summary
    assert {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in done.run.path.rglob("*.npz")} == before


def test_files_are_read_without_unpickling(tmp_path, text):
    """An object array in a result is refused by numpy, not executed."""
    run = stopped(tmp_path, text)
    path = run.fold(1).oof
    with np.load(path) as stored:
        columns = {name: stored[name] for name in stored.files}
    columns["protein"] = columns["protein"].astype(object)
    np.savez(path, **columns)
    with pytest.raises(RunError, match="damaged"):
        finish(tmp_path, text)
