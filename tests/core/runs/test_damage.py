"""Every file of a run damaged in every way: the right result, or a sentence that names file and way forward.

All of it (CI takes a sample):
E1BIND_ALL_FAULTS=1 uv run pytest -n 2 -m "slow or not slow" tests/core/runs/test_damage.py
"""

from __future__ import annotations

import hashlib
import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from damage import BYTES, INSIDE, Damage, damaged_copy
from seals import unseal

from e1bind_cli.app import run as e1bind

EVERYTHING = os.environ.get("E1BIND_ALL_FAULTS") == "1"
SECONDS = 120
FOLD = (
    "best_e1_contrastive_model_heads.pt",
    "best_e1_contrastive_model_lora/adapter_config.json",
    "best_e1_contrastive_model_lora/adapter_model.safetensors",
    "best_e1_contrastive_model_lora/README.md",
    "baselines.safetensors",
    "fold.json",
    "metrics.jsonl",
    "oof_preds.npz",
    ".lock",
)
FROZEN = ("data.json", "environment.json", "overrides.txt", "plugins.json", "spec.resolved.json", "spec.toml")
MADE = (
    "calibration.yaml",
    "global_thresholds.yaml",
    "metrics.jsonl",
    "oof_preds.npz",
    "summary.csv",
    "summary.json",
)
LOGS = (".lock", "training.log", "sessions.jsonl", "report.html")
EVALUATION = ("evaluation.html", "metrics.csv", "metrics.json", "per_protein.csv", "predictions.csv")
WHOLE = (
    *FROZEN,
    *MADE,
    *LOGS,
    *(f"fold_{n}/{name}" for n in (1, 2) for name in FOLD),
    *(f"evaluation_new/{name}" for name in EVALUATION),
)
RESULTS = [*MADE[:-1], *(f"fold_{n}/{name}" for n in (1, 2) for name in FOLD[4:8])]
RESULTS += [f"fold_{n}/best_e1_contrastive_model_lora/adapter_model.safetensors" for n in (1, 2)]


QUICK = ("predict", "compare")


def sampled(cases: list[tuple[str, ...]], one_in: int) -> list[tuple[str, ...]]:
    """All of them, or a share that stays the same from run to run; fewer of the commands that draw figures."""
    if EVERYTHING:
        return cases
    number = {case: int(hashlib.sha256("/".join(case).encode()).hexdigest(), 16) for case in cases}
    return [case for case in cases if number[case] % (one_in if case[0] in QUICK else 10 * one_in) == 0]


@contextmanager
def in_time() -> Iterator[None]:
    def late(*_: object) -> None:
        raise AssertionError(f"the command had not ended after {SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


Outcome = tuple[int, str, dict[str, bytes]]
Use = Callable[[Path, Path], tuple[list[str], list[Path]]]
"""The arguments of a command on a run, and the files that must come out as from the undamaged run."""


@pytest.fixture(scope="session")
def uses(short_data: Path, whole: Path) -> dict[str, Use]:
    new = str(short_data / "new.fasta")
    figures = ["pr_ZN.png", "losses.png"]
    return {
        "predict": lambda run, out: (["predict", str(run), new, "-o", str(out / "o.csv")], [out / "o.csv"]),
        "evaluate": lambda run, out: (
            ["evaluate", str(run), "--data", new, "--resamples", "20", "-o", str(out)],
            [out / "metrics.csv", out / "predictions.csv"],
        ),
        "compare": lambda run, out: (
            ["compare", str(run), str(whole), "-o", str(out)],
            [out / "comparison.csv"],
        ),
        "report": lambda run, out: (["report", str(run)], [run / "plots" / name for name in figures]),
        "collect": lambda run, out: (["collect", str(run)], [run / name for name in RESULTS]),
        "resume": lambda run, out: (["train", "--resume", str(run)], [run / name for name in RESULTS]),
    }


@pytest.fixture
def use(uses: dict[str, Use], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[str, Path], Outcome]:
    """Does a command on a run: exit code, what it said, and what came out."""

    def call(command: str, run: Path) -> Outcome:
        out = tmp_path / "out"
        out.mkdir(exist_ok=True)
        arguments, files = uses[command](run, out)
        capsys.readouterr()
        with in_time():
            code = e1bind(arguments)
        said = capsys.readouterr().err
        return code, said, {f.name + f.parent.name: f.read_bytes() for f in files} if code == 0 else {}

    return call


@pytest.fixture(scope="session")
def wanted(whole: Path) -> dict[str, dict[str, bytes]]:
    """What each command makes of the undamaged run; filled as it is asked for."""
    return {}


def check(outcome: Outcome, right: dict[str, bytes], name: str) -> None:
    code, said, made = outcome
    text = " ".join(said.split())
    assert "Traceback" not in said, said
    if code == 0:
        assert made == right
        return
    assert code == 2, said
    assert Path(name).name in text or name.split("/")[0].replace("_", " ") in text, said
    assert re.search(r"e1bind (train|collect|report)|[Pp]ut it back|evaluate again|in its place|remove it", text), (
        said
    )
    assert len(said) < 6000, "an error fits one screen"


def test_these_are_all_files_of_a_run(whole: Path) -> None:
    found = {str(f.relative_to(whole)) for f in whole.rglob("*") if f.is_file() and f.suffix != ".png"}
    assert {name for name in found if "/last/" not in name} == set(WHOLE)


CASES = [(command, name, kind) for command in ("predict", "compare", "evaluate", "report", "collect", "resume")
         for name in WHOLE for kind in BYTES]  # fmt: skip
STRUCTURED = [name for name in WHOLE if name.endswith((".json", ".jsonl", ".yaml"))]
TYPES = [(command, name, kind) for command in QUICK for name in STRUCTURED for kind in INSIDE]


@pytest.mark.parametrize(("command", "name", "kind"), sampled(CASES + TYPES, 80))
def test_a_finished_run(whole, wanted, use, tmp_path, command, name, kind):
    if command not in wanted:
        wanted[command] = use(command, damaged_copy(whole, tmp_path / "run", name, lambda *_: True))[2]
    run = damaged_copy(whole, tmp_path / "run", name, (BYTES | INSIDE)[kind])
    if run is None:
        pytest.skip("there is nothing of that kind to damage")
    if (command, name, kind) == ("compare", "evaluation_new/metrics.json", "deleted"):
        assert use(command, run)[0] == 0  # an evaluation that is not there has no column
        return
    check(use(command, run), wanted[command], name)


UNSEALED = [("predict", name, kind) for name in WHOLE for kind in BYTES | INSIDE]
UNSEALED += [("compare", name, kind) for name in STRUCTURED for kind in BYTES | INSIDE]


@pytest.mark.parametrize(("command", "name", "kind"), sampled(UNSEALED, 120))
def test_a_run_without_seals_gives_an_answer_or_a_sentence(whole, use, tmp_path, command, name, kind):
    """A run older than seals cannot tell every change, but no damage ends in a traceback."""
    damage: Damage = (BYTES | INSIDE)[kind]
    run = damaged_copy(whole, tmp_path / "run", name, lambda file, copy: bool(unseal(copy)) and damage(file, copy))
    if run is None:
        pytest.skip("there is nothing of that kind to damage")
    code, said, _ = use(command, run)
    assert "Traceback" not in said, said
    assert code in (0, 2), said


UNFINISHED = (*FROZEN, "training.log", ".lock", *(f"fold_1/{name}" for name in FOLD), "fold_2/.lock", "fold_2/last")
GOING_ON = [(command, name, kind) for command in ("resume", "collect", "predict", "report") for name in UNFINISHED
            for kind in [*BYTES, "renamed key", "nested", "300 digits at 0", "a text at 3"]]  # fmt: skip


@pytest.mark.parametrize(("command", "name", "kind"), sampled(GOING_ON, 30))
def test_an_unfinished_run(killed, wanted, use, tmp_path, command, name, kind):
    if command == "resume" and "goes on" not in wanted:
        wanted["goes on"] = use("resume", damaged_copy(killed, tmp_path / "run", ".lock", lambda *_: True))[2]
    if name.endswith("last"):
        name = str(sorted((killed / name).iterdir())[-1].relative_to(killed))
    run = damaged_copy(killed, tmp_path / "run", name, (BYTES | INSIDE)[kind])
    if run is None:
        pytest.skip("there is nothing of that kind to damage")
    outcome = use(command, run)
    if command == "resume":
        check(outcome, wanted["goes on"], name)
    else:
        assert outcome[0] == 2, outcome[1]
        assert "Traceback" not in outcome[1]
        assert not (run / "summary.json").exists()
