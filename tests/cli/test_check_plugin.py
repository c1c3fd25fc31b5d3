"""`e1bind check-plugin` as an author uses it: what it says, its JSON, its exit codes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from plugin_packages import run_cli

from e1bind_cli.app import run as e1bind

RIGHT = """
import math
from pydantic import Field
from e1bind.contracts import MetricOutput
from e1bind.plugins import MetricPlugin, hookimpl
from e1bind.spec import Options
E1BIND_API = 1

class GapOptions(Options):
    factor: float = Field({default}, description="Factor on the gap.")

class Gap:
    higher_is_better = True
    def __init__(self, options):
        self.factor = options.factor
    def __call__(self, inputs):
        print("noise on stdout")
        p, y = inputs.probabilities, inputs.labels
        if len(set(y.tolist())) < 2:
            return MetricOutput(math.nan, "one class only")
        return MetricOutput(self.factor * float(p[y == 1].mean() - p[y == 0].mean()))

@hookimpl
def e1bind_metrics():
    return [MetricPlugin(name="gap", target="{module}:Gap", options="{module}:GapOptions", summary="Gap.")]
"""


def write(folder: Path, module: str, default: float = 1.0) -> str:
    path = folder / f"{module}.py"
    path.write_text(RIGHT.format(module=module, default=default))
    return str(path)


def test_a_right_plugin_keeps_every_contract(tmp_path, capsys) -> None:
    assert e1bind(["check-plugin", write(tmp_path, "right_gap")]) == 0
    said = capsys.readouterr().out
    assert "metric local/gap" in said
    assert "keeps every contract: 1 component" in said
    assert "noise" not in said
    assert max(map(len, said.splitlines()[:-1])) <= 80  # the last line holds a path, which is never wrapped


def test_a_wrong_one_is_told_what_to_do(tmp_path, capsys) -> None:
    assert e1bind(["check-plugin", write(tmp_path, "wrong_gap", -1.0)]) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "fail direction-is-as-declared" in said
    assert "has higher_is_better = True, and gives perfect predictions -0.9" in said
    assert "correct higher_is_better" in said
    assert "1 of 1 components break their contract: local/gap" in said


def test_options_can_be_set_and_failures_expected(tmp_path, capsys) -> None:
    file = write(tmp_path, "set_gap", -1.0)
    assert e1bind(["check-plugin", file, "--set", "metric.gap.factor=2.0"]) == 0
    expect = ["--expect", "metric.gap.direction-is-as-declared=the sign is an option"]
    assert e1bind(["check-plugin", file, *expect]) == 0
    assert "the sign is an option (has higher_is_better" in " ".join(capsys.readouterr().out.split())
    # What is expected to fail and does not is told as well.
    assert e1bind(["check-plugin", file, *expect, "--set", "metric.gap.factor=2.0"]) == 1
    assert "holds, although it is expected to fail" in capsys.readouterr().out


def test_json_holds_everything(tmp_path, capsys) -> None:
    assert e1bind(["check-plugin", write(tmp_path, "json_gap", -1.0), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is False
    (component,) = told["components"]
    assert component["full_name"] == "local/gap"
    failed = [check for check in component["checks"] if check["status"] == "fail"]
    assert [check["check"] for check in failed] == ["direction-is-as-declared"]
    assert all(failed[0][key] for key in ("why", "promise", "advice"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere-losses"], "no e1bind plugin 'nowhere-losses' is installed"),
        (["nowhere.py"], "there is no file"),
        (["FILE", "--set", "gap.factor=2"], "must look like loss.gap.margin=0.3"),
        (["FILE", "--set", "metric.map.factor=2"], "'metric.map' is no component"),
        (["FILE", "--expect", "metric.gap.directions=why"], "there is no check 'directions' of a metric"),
    ],
)
def test_mistakes_are_told_without_a_traceback(tmp_path, capsys, arguments, message) -> None:
    file = write(tmp_path, f"told_gap_{len(message)}")
    assert e1bind(["check-plugin", *(file if word == "FILE" else word for word in arguments)]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said


def test_options_that_are_not_valid_fail_the_checks_that_need_them(tmp_path, capsys) -> None:
    assert e1bind(["check-plugin", write(tmp_path, "bad_gap"), "--set", "metric.gap.factor='two'"]) == 1
    assert "must be a number" in capsys.readouterr().out


def test_a_plugin_that_offers_nothing_is_told(tmp_path, capsys) -> None:
    (tmp_path / "nothing.py").write_text("E1BIND_API = 1\n")
    assert e1bind(["check-plugin", str(tmp_path / "nothing.py")]) == 2
    assert "offers no component" in capsys.readouterr().err


def test_the_readme_s_plugin_keeps_its_contract(root, tmp_path, capsys) -> None:
    text = (root / "README.md").read_text(encoding="utf-8")
    block = next(b for b in re.findall(r"```python\n(.*?)```", text, re.S) if b.startswith("# my_loss.py"))
    (tmp_path / "my_loss.py").write_text(block)
    assert e1bind(["check-plugin", str(tmp_path / "my_loss.py")]) == 0, capsys.readouterr().out


@pytest.mark.slow
def test_the_example_package_keeps_its_contract(third_parties) -> None:
    checked = run_cli("check-plugin", "acme-losses", "--json", paths=(third_parties,))
    assert checked.returncode == 0, checked.stdout
