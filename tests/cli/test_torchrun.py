"""Several processes under the real torchrun: signals, resuming, processes that die, several nodes, errors.

All of them: E1BIND_ALL_FAULTS=1 uv run pytest -m "slow or not slow" tests/cli/test_torchrun.py
"""

from __future__ import annotations

import io
import os
import re
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import forks
import numpy as np
import pytest
from launching import E1BIND, STANDALONE, TORCHRUN, descendants, ended, free_port, ranks, send, start, wait_for
from small_runs import SPEC, StopsAfter, draw_nothing, results_of, train_once
from small_runs import go_on as resume_run

from e1bind.engine.crossval import cross_validate
from e1bind.engine.events import Listener
from e1bind.errors import RunError
from e1bind.runs.layout import RunDir
from e1bind.spec import load_spec

EVERYTHING = os.environ.get("E1BIND_ALL_FAULTS") == "1"
SHORT = ("5a7u_A", "1oi0_A", "6zu5_LMM", "6zu5_LJJ", "6zu5_SDD", "6zu5_SBB")
TRAIN = ("-m", "e1bind_cli", "train", "spec.toml", "--run-id", "run")
EPOCHS = 10
pytestmark = pytest.mark.slow
all_faults = pytest.mark.skipif(not EVERYTHING, reason="starts torchrun several times; E1BIND_ALL_FAULTS=1 runs it")


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory, root: Path) -> str:
    """Six short chains, long enough to be met by a signal; three micro-batches an epoch, state after every step."""
    data = tmp_path_factory.mktemp("data")
    records = (root / "examples" / "data" / "ZN_train.fasta").read_text().split(">")[1:]
    (data / "ZN_train.fasta").write_text("".join(f">{r}" for r in records if r.split()[0] in SHORT))
    spec = SPEC.format(data=root / "examples" / "data").replace(
        f'train = "{root}/examples/data', f'train = "{data}'
    )
    spec = spec.replace("epochs = 2", f"epochs = {EPOCHS}").replace("batch_size = 2", "batch_size = 1")
    return spec.replace("accum_steps = 2", "accum_steps = 1\nsave_every_steps = 1")


@pytest.fixture
def folder(tmp_path: Path, text: str) -> Path:
    (tmp_path / "spec.toml").write_text(text)
    return tmp_path


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, text: str) -> dict[str, bytes]:
    """What two processes leave when nothing happens to them."""
    folder = tmp_path_factory.mktemp("undisturbed")
    finish(folder, lambda: train_once(folder, text, "run"))
    return results_of(folder / "results" / "run")


def finish(folder: Path, work: Callable[[], object]) -> None:
    """Do `work` in two processes, without the time that starting and importing takes."""
    for pid in forks.ranks(work, folder / "log"):
        assert forks.wait(pid) == 0, (folder / "log").read_text()


def go_on(folder: Path) -> dict[str, bytes]:
    """Resume the run in two processes; its results."""
    run = RunDir(folder / "results" / "run")
    finish(folder, lambda: resume_run(run.path))
    assert "fold 1 goes on at epoch" in run.log.read_text()
    return results_of(run.path)


def stop(folder: Path, command: Sequence[str], number: signal.Signals, everyone: bool) -> tuple[int, str]:
    """Start a run, and stop it in its first fold."""
    launcher = start(folder, *command)
    wait_for(folder / "results" / "run" / "training.log", "fold 1 epoch 2")
    send(number, [launcher.pid, *(descendants(launcher.pid) if everyone else [])])
    return ended(launcher, 60)


NPROC = (*E1BIND, *TRAIN[2:], "--nproc", "2")
SIGNALS = {
    "torchrun and all it started": ((*STANDALONE, *TRAIN, "--set", "training.workers=1"), signal.SIGTERM, True, 1),
    "torchrun": ((*STANDALONE, *TRAIN), signal.SIGTERM, False, 1),
    "--nproc and all it started": (NPROC, signal.SIGTERM, True, 143),
}


@pytest.mark.parametrize(
    ("command", "number", "everyone", "expected"), list(SIGNALS.values())[: None if EVERYTHING else 1]
)
def test_a_signal_stops_all_in_order_and_resuming_gives_the_same_bytes(
    folder: Path,
    undisturbed: dict[str, bytes],
    command: Sequence[str],
    number: signal.Signals,
    everyone: bool,
    expected: int,
) -> None:
    """torchrun itself exits 1 after a signal; its processes, and `--nproc`, with 128 and the signal's number."""
    code, said = stop(folder, command, number, everyone)
    assert code == expected, said
    run = folder / "results" / "run"
    assert said.count(f"stopped by {number.name}") == 2, said  # the log, and the sentence
    assert re.search(rf"it can go on:\n *e1bind train --resume {run}\n", said)
    assert not (run / "summary.json").exists()
    assert go_on(folder) == undisturbed


@pytest.mark.parametrize(("stages", "micros"), [(1, 1), (2, 1), (3, 2)] if EVERYTHING else [(2, 1)])
@pytest.mark.sample
def test_a_signal_to_one_process_in_mid_epoch_or_validation_stops_both_at_the_same_step(
    folder: Path, text: str, undisturbed: dict[str, bytes], stages: int, micros: int
) -> None:
    """Odd stages are epochs of training, even ones their validation; only one process is told to stop."""

    def work() -> None:
        listener = StopsAfter(stages, micros) if os.environ["RANK"] == "0" else Listener()
        path = folder / "spec.toml"
        cross_validate(load_spec(path), path, draw_nothing, listener, "run", None)

    pids = forks.ranks(work, folder / "log")
    assert [forks.wait(pid) for pid in pids] == [1, 1]
    said = (folder / "log").read_text()
    assert said.count("Interrupted: stopped by SIGTERM") == 2, said
    assert not (folder / "results" / "run" / "fold_1" / "fold.json").exists()
    assert go_on(folder) == undisturbed


@all_faults
def test_ctrl_c_and_resuming_by_the_command_it_names(folder: Path, undisturbed: dict[str, bytes]) -> None:
    code, said = stop(folder, NPROC, signal.SIGINT, everyone=False)
    assert code == 130, said
    assert said.count("stopped by SIGINT") == 2, said
    assert "Traceback" not in said
    code, said = ended(start(folder, *E1BIND, "train", "--resume", "results/run", "--nproc", "2"))
    assert code == 0, said
    assert "fold 1 goes on at epoch" in said
    assert results_of(folder / "results" / "run") == undisturbed


@all_faults
@pytest.mark.parametrize("rank", [1, 0])
def test_a_rank_that_is_killed_ends_the_others(folder: Path, undisturbed: dict[str, bytes], rank: int) -> None:
    launcher = start(folder, *NPROC)
    run = folder / "results" / "run"
    wait_for(run / "training.log", "fold 1 epoch 2")
    send(signal.SIGKILL, [ranks(launcher.pid)[rank]])
    code, said = ended(launcher, 60)
    assert code in (2, 128 + signal.SIGKILL), said  # whichever torchrun sees first
    assert "--resume" in said
    assert not (run / "summary.json").exists()
    assert go_on(folder) == undisturbed


@all_faults
def test_torchrun_restarts_from_the_last_state(folder: Path, undisturbed: dict[str, bytes]) -> None:
    launcher = start(folder, *STANDALONE, "--max-restarts", "3", *TRAIN)
    run = folder / "results" / "run"
    for rank, epoch in ((1, 2), (0, 5)):
        wait_for(run / "training.log", f"fold 1 epoch {epoch}")
        send(signal.SIGKILL, [ranks(launcher.pid)[rank]])
    code, said = ended(launcher)
    assert code == 0, said
    assert (run / "training.log").read_text().count("fold 1 goes on at epoch") == 2
    assert results_of(run) == undisturbed


@all_faults
def test_two_nodes_are_two_processes(folder: Path, undisturbed: dict[str, bytes]) -> None:
    """One agent for each node, both on this machine, as docs/running.md starts them."""
    endpoint = f"127.0.0.1:{free_port()}"
    node = (*TORCHRUN, "--nnodes", "2", "--nproc-per-node", "1", "--max-restarts", "3", "--rdzv-backend", "c10d")
    node += ("--rdzv-id", "job", "--rdzv-endpoint", endpoint)
    agents = [start(folder, *node, *TRAIN) for _ in range(2)]
    outcomes = [ended(agent) for agent in agents]
    assert [code for code, _ in outcomes] == [0, 0], outcomes
    assert sum("run directory:" in said for _, said in outcomes) == 1
    assert results_of(folder / "results" / "run") == undisturbed


@all_faults
@pytest.mark.parametrize("broken", ["spec", "data"])
def test_an_error_of_all_processes_is_told_once(folder: Path, broken: str) -> None:
    spec = (folder / "spec.toml").read_text()
    if broken == "spec":
        (folder / "spec.toml").write_text(spec + "\n[modle]\n")
    else:
        (folder / "ZN_train.fasta").write_text(">1abc_A\nMKCHHEC\n00111\n")
        (folder / "spec.toml").write_text(re.sub('train = ".*"', 'train = "{ion}_train.fasta"', spec))
    code, said = ended(start(folder, *NPROC))
    assert code == 2, said
    assert said.count("error: ") == 1, said
    assert "Traceback" not in said
    assert not (folder / "results" / "run").exists()


@all_faults
def test_every_process_ends_with_the_code_of_an_error_told_once(folder: Path) -> None:
    (folder / "spec.toml").write_text((folder / "spec.toml").read_text() + "\n[modle]\n")
    code, said = ended(start(folder, *STANDALONE, *TRAIN))
    assert code == 1, said  # torchrun's own
    assert said.count("error: ") == 1, said
    assert re.findall(r"exitcode +: (\S+)", said) == ["2", "2"], said


def test_another_number_of_processes_is_refused_unless_steps_keep_their_size(
    folder: Path, text: str, undisturbed: dict[str, bytes]
) -> None:
    run = RunDir(folder / "results" / "run")
    pids = forks.ranks(lambda: train_once(folder, text, "run"), folder / "log")
    wait_for(run.log, "fold 1 epoch 2")
    send(signal.SIGTERM, pids)
    assert [forks.wait(pid) for pid in pids] == [1, 1]
    assert "stopped by SIGTERM" in run.log.read_text()
    with pytest.raises(RunError, match=r"2 \(2 processes x accum_steps 1\) -> 1 \(1 process x accum_steps 1\)"):
        resume_run(run.path)
    spec = load_spec(folder / "spec.toml", ["training.accum_steps=2"])
    assert resume_run(run.path, spec=spec, force=True) is not None
    with np.load(run.oof) as one, np.load(io.BytesIO(undisturbed["oof_preds.npz"])) as two:
        assert np.array_equal(one["protein"], two["protein"])
        assert np.abs(one["probability"] - two["probability"]).max() < 1e-5


def gone(pids: Sequence[int], seconds: float) -> bool:
    """Whether none of the processes is there any more after at most so many seconds."""
    end = time.monotonic() + seconds
    while any(Path(f"/proc/{pid}/cmdline").exists() and _alive(pid) for pid in pids):
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_processes_end_with_their_launcher_before_they_have_met(folder: Path) -> None:
    launcher = start(folder, *E1BIND, *TRAIN[2:], "--nproc", "2")
    pids = descendants_called(launcher.pid)
    os.kill(pids[1], signal.SIGSTOP)  # so that the first waits for it
    time.sleep(12)
    launcher.kill()
    launcher.wait()
    assert gone(pids[:1], 20)
    os.kill(pids[1], signal.SIGCONT)
    assert gone(pids[1:], 20)


@all_faults
def test_processes_end_with_their_launcher_after_the_step_at_hand(folder: Path) -> None:
    launcher = start(folder, *E1BIND, *TRAIN[2:-1], "second", "--nproc", "2")
    pids = descendants_called(launcher.pid)
    wait_for(folder / "results" / "second" / "training.log", "fold 1 epoch 2")
    launcher.kill()
    launcher.wait()
    assert gone(pids, 30)
    said = (folder / "results" / "second" / "training.log").read_text()
    assert "stopped by SIGTERM" in said


def descendants_called(launcher: int) -> list[int]:
    """The two training processes, once they are there."""
    end = time.monotonic() + 120
    while len(pids := ranks(launcher)) < 2:
        assert time.monotonic() < end, "the launcher started no processes"
        time.sleep(0.05)
    return pids
