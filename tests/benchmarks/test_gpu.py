"""The GPU report: run on a CPU at toy size, with a check that breaks; and its deadline."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest
from plugin_packages import environment

BROKEN = """
import sys
from benchmarks import _gpu_checks, gpu

def broken(bench):
    raise ValueError("the card is on fire")

_gpu_checks.losses = broken
sys.exit(gpu.main(["--device", "cpu", "--out", sys.argv[1], "--only", "loss-values", "slices", "varlen"]))
"""


@pytest.fixture
def report_of(root: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The part of the script that needs no torch."""
    monkeypatch.syspath_prepend(root)
    return importlib.import_module("benchmarks._gpu_report")


def test_the_report_says_what_was_checked_and_a_check_that_breaks_ends_in_exit_code_1(root: Path, tmp_path: Path):
    out = tmp_path / "gpu.json"
    done = subprocess.run(
        [sys.executable, "-c", BROKEN, str(out)], cwd=root, env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 1, done.stdout + done.stderr
    found = json.loads(out.read_text())
    assert {name: part["status"] for name, part in found["parts"].items()} == {
        "slices": "passed",
        "loss-values": "failed",
        "varlen": "skipped",
    }
    assert found["failed"] == ["loss-values"]
    assert found["parts"]["loss-values"]["error"] == "ValueError: the card is on fire"
    assert "in broken" in found["parts"]["loss-values"]["traceback"]
    assert found["parts"]["varlen"]["reason"] == "needs a CUDA device"
    assert 0 < found["parts"]["slices"]["figures"]["float32, over_all"] < 2e-5
    assert "loss-values: ValueError: the card is on fire" in done.stdout


def test_a_part_whose_budget_does_not_fit_is_not_reached(report_of: ModuleType, tmp_path: Path):
    out = tmp_path / "gpu.json"
    ran: list[str] = []
    left = 30 + time.monotonic() - report_of.BEGUN
    report = report_of.Report({}, left / 60, out)
    for name, budget in (("long", 31), ("short", 10)):
        report.run(report_of.Part(name, budget, lambda name=name: ran.append(name) or {"ran": name}))
    assert ran == ["short"]
    assert json.loads(out.read_text())["parts"]["long"]["status"] == "not reached"
    assert json.loads(out.read_text())["parts"]["short"]["figures"] == {"ran": "short"}
    assert report.failed == []


def test_a_part_that_takes_far_longer_than_its_budget_is_given_up(
    report_of: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(report_of, "LEAST_LIMIT", 0.2)
    report = report_of.Report({}, 60 + (time.monotonic() - report_of.BEGUN) / 60, tmp_path / "gpu.json")
    begun = time.monotonic()
    report.run(report_of.Part("hangs", 0.01, lambda: time.sleep(20)))
    assert time.monotonic() - begun < 10
    assert report.failed == ["hangs"]
    assert "TimeoutError: given up" in report.parts["hangs"]["error"]
    report.run(report_of.Part("next", 0.01, dict))
    assert report.parts["next"]["status"] == "passed"


def test_wrong_figures_are_reported_beside_the_failure(report_of: ModuleType, tmp_path: Path):
    def wrong() -> None:
        raise report_of.Failed("x 2 > 1", {"x": 2})

    report = report_of.Report({}, 60 + (time.monotonic() - report_of.BEGUN) / 60, tmp_path / "gpu.json")
    report.run(report_of.Part("wrong", 1, wrong))
    assert report.parts["wrong"]["status"] == "failed"
    assert report.parts["wrong"]["figures"] == {"x": 2}
