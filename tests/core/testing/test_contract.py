"""The kit itself: expected failures, what a test class says, what importing it costs, what the page tells."""

from __future__ import annotations

import re
import unittest
from pathlib import Path

import pytest
from plugin_packages import run_python

from e1bind.testing import LossContract, MetricContract, tiny_chains, write_fasta3
from e1bind.testing.kinds import checks_of
from e1bind.testing.tiny_backbone import TinyBackbone, TinyOptions

KINDS = ("loss", "view_generator", "backbone", "metric", "reader")
WRONG = """
import math
from e1bind.contracts import MetricOutput
from e1bind.plugins import MetricPlugin, hookimpl
from e1bind.spec import Options
E1BIND_API = 1
class Nothing(Options): pass
class Inverted:
    higher_is_better = False
    def __init__(self, options): pass
    def __call__(self, inputs):
        p, y = inputs.probabilities, inputs.labels
        if len(set(y.tolist())) < 2:
            return MetricOutput(math.nan, "one class only")
        return MetricOutput(float(p[y == 1].mean() - p[y == 0].mean()))
@hookimpl
def e1bind_metrics():
    return [MetricPlugin(name="inverted", target="{module}:Inverted", options="{module}:Nothing", summary="Wrong.")]
"""


def contract(folder: Path, module: str, **attributes: object) -> MetricContract:
    file = folder / f"{module}.py"
    file.write_text(WRONG.replace("{module}", module))
    body = {"plugin": "local/inverted", "local": [file], **attributes}
    return type("TestInverted", (MetricContract,), body)()


def test_a_failure_names_component_reason_promise_and_advice(tmp_path) -> None:
    test = contract(tmp_path, "contract_one")
    test.test_order_does_not_matter()
    with pytest.raises(AssertionError) as told:
        test.test_direction_is_as_declared()
    lines = str(told.value).splitlines()
    assert lines[0].startswith("local/inverted has higher_is_better = False, and gives perfect predictions")
    assert lines[1:] == [
        "Perfect predictions are better than inverted ones in the direction of higher_is_better.",
        "correct higher_is_better",
    ]


def test_an_expected_failure_is_skipped_and_one_that_holds_fails(tmp_path) -> None:
    expected = {"direction-is-as-declared": "a distance", "order-does-not-matter": "no reason"}
    test = contract(tmp_path, "contract_two", expected_failures=expected)
    with pytest.raises(unittest.SkipTest, match="a distance"):
        test.test_direction_is_as_declared()
    with pytest.raises(AssertionError, match="holds, although it is expected to fail: no reason"):
        test.test_order_does_not_matter()


def test_an_expected_failure_must_be_a_check(tmp_path) -> None:
    with pytest.raises(ValueError, match="names no check: directions"):
        contract(tmp_path, "contract_three", expected_failures={"directions": "a typo"})


def test_a_contract_is_no_test_until_it_names_a_plugin() -> None:
    class Shared(LossContract):
        """A base of an author's own."""

    assert not [name for name in dir(Shared) if name.startswith("test_")]


def test_importing_the_kit_needs_no_pytest_and_no_torch() -> None:
    code = "import sys, e1bind.testing; print([m for m in ('pytest', '_pytest', 'torch') if m in sys.modules])"
    assert run_python(code).stdout.strip() == "[]"


def test_checks_have_names_of_their_own_and_come_after_those_they_rest_on() -> None:
    for kind in KINDS:
        names = [check.name for check in checks_of(kind)]
        assert len(set(names)) == len(names)
        for check in checks_of(kind):
            assert check.promise.endswith(".")
            assert all(names.index(name) < names.index(check.name) for name in check.after), check.name


def test_the_page_lists_every_check_with_its_promise(root) -> None:
    text = (root / "docs" / "plugin-kit.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"^\| `([a-z0-9-]+)` \| (.*) \|$", text, re.M))
    real = {check.name: check.promise for kind in KINDS for check in checks_of(kind)}
    assert {name: told.get(name) for name in real} == real


def test_tiny_chains_are_whole_and_can_be_read(tmp_path) -> None:
    from e1bind.readers.fasta3 import read_fasta3

    chains = tiny_chains()
    back = read_fasta3(write_fasta3(tmp_path / "ZN.fasta", chains), "ZN")
    assert [(r.id, r.sequence, r.labels["ZN"].tolist()) for r in back] == [
        (r.id, r.sequence, r.labels["ZN"].tolist()) for r in chains
    ]
    assert all(0 < record.positives("ZN") < len(record) for record in chains)
    TinyBackbone(TinyOptions()).encoder()
