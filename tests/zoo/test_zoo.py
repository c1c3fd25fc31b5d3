"""Every wrong plugin fails the check that is to catch it, and no other; the right ones fail none."""

from __future__ import annotations

import importlib
import sys
from functools import cache
from pathlib import Path

import pytest
from damaged_packages import lay_out

from e1bind.plugins import Component
from e1bind.testing.kinds import checks_of
from e1bind.testing.plugin import plugin_components
from e1bind.testing.subject import Subject

FOLDER = Path(__file__).parent
FILES = ("losses", "views", "backbones", "metrics", "readers", "heads", "baselines", "trackers", "calibrations")
KINDS = {"loss", "view_generator", "backbone", "metric", "reader", "head", "baseline", "tracker", "calibration"}
# The checks' own processes import the files and what they share from here.
sys.path.insert(0, str(FOLDER))


@cache
def components(file: str) -> dict[str, Component]:
    return {c.name: c for c in plugin_components(str(FOLDER / f"{file}.py"))}


def animals() -> dict[str, tuple[str, str | None]]:
    """Name -> file, and the check that catches it."""
    found = {}
    for kinds in FILES:
        file = f"wrong_{kinds}"
        found |= {name: (file, by) for name, by in importlib.import_module(file).ZOO.caught_by.items()}
    return found


ANIMALS = animals()


@pytest.mark.slow
@pytest.mark.parametrize("name", ANIMALS)
def test_it_fails_one_check_and_no_other(name: str) -> None:
    file, caught_by = ANIMALS[name]
    subject = Subject(components(file)[name])
    outcomes = {check: subject.outcome(check) for check in subject.checks}
    failed = {check: outcome.why for check, outcome in outcomes.items() if outcome.status == "fail"}
    assert list(failed) == [caught_by] * (caught_by is not None), failed


def test_there_are_enough_of_them_and_each_check_catches_one() -> None:
    caught = {by for _, by in ANIMALS.values()} - {None}
    assert sum(by is not None for _, by in ANIMALS.values()) >= 30
    checks = {check.name for kind in KINDS for check in checks_of(kind)}
    assert checks - caught == {"loads-in-a-fresh-process"}  # installed packages, below


HEAVY = """\
from e1bind.plugins import MetricPlugin, hookimpl
{line}
E1BIND_API = 1
@hookimpl
def e1bind_metrics():
    return [MetricPlugin(name="heavy", target="wrong_metrics:RightMetric", options="{name}_options:MetricOptions",
                         summary="A metric.")]
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "line", "why"),
    [
        ("lightplugin", "", None),
        ("torchplugin", "import torch", "loads torch"),
        ("numpyplugin", "import e1bind.contracts", "loads numpy"),
        ("netplugin", "import socket; socket.getaddrinfo('localhost', 80)", "reaches for the network"),
    ],
)
def test_a_plugin_that_is_heavy_to_import_fails_that_alone(tmp_path, monkeypatch, name, line, why) -> None:
    lay_out(tmp_path, name, code=HEAVY.format(line=line, name=name))
    options = "from e1bind.spec import Options\nclass MetricOptions(Options):\n    pass\n"
    (tmp_path / f"{name}_options.py").write_text(options)
    monkeypatch.syspath_prepend(str(tmp_path))
    subject = Subject(plugin_components(name)[0])
    failed = {c: subject.outcome(c).why for c in subject.checks if subject.outcome(c).status == "fail"}
    assert list(failed) == ["loads-in-a-fresh-process"] * (why is not None), failed
    assert why is None or why in failed["loads-in-a-fresh-process"]
