"""`--force` goes on with a run that has changed, and the record says so; it never says what was not."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from small_runs import go_on

from e1bind.spec import load_spec
from e1bind_cli.app import run as e1bind

FROZEN = ("spec.resolved.json", "plugins.json", "data.json")


def frozen(run: Path) -> dict[str, bytes]:
    return {name: (run / name).read_bytes() for name in FROZEN}


@pytest.fixture
def spec_of(tmp_path):
    """A spec beside a copy of a run, as its user would have changed it."""

    def make(run: Path, *changes: tuple[str, str]) -> str:
        text = (run / "spec.toml").read_text()
        for before, after in changes:
            assert before in text
            text = text.replace(before, after)
        output = json.loads((run / "spec.resolved.json").read_text())["run"]["output_dir"]
        path = tmp_path / "changed.toml"
        path.write_text(text.replace('output_dir = "results"', f'output_dir = "{output}"'))
        return str(path)

    return make


def said(capsys) -> str:
    return re.sub(r"\s+", " ", capsys.readouterr().err)


def test_a_finished_run_keeps_its_record(whole, tmp_path, spec_of, capsys):
    run = Path(shutil.copytree(whole, tmp_path / "run"))
    before = frozen(run)
    changed = spec_of(run, ("learning_rate = 1e-3", "learning_rate = 1e-5"))
    assert e1bind(["train", changed, "--resume", str(run), "--force"]) == 2
    assert "there is nothing to go on with" in said(capsys)
    assert frozen(run) == before
    assert e1bind(["train", "--resume", str(run), "--force"]) == 0
    assert frozen(run) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("r = 4", "r = 8"), "the state is of a model with other trained tensors"),
        (('ions = ["ZN"]', 'ions = ["ZN"]\ntargets_of_nothing = 1'), "targets_of_nothing"),
        (("num_variants = 2", "num_variants = 2\nmask_prob_min = 2.0"), "mask_prob_min"),
    ],
)
def test_what_cannot_be_gone_on_with_leaves_the_record_as_it_was(
    killed, tmp_path, spec_of, capsys, change, message
):
    run = Path(shutil.copytree(killed, tmp_path / "run"))
    before = frozen(run)
    assert e1bind(["train", spec_of(run, change), "--resume", str(run), "--force"]) == 2
    text = said(capsys)
    assert "Traceback" not in text
    assert message in text
    assert frozen(run) == before
    assert go_on(run).summary.finished


def test_a_forced_change_stands_in_the_record_and_is_told_by_compare(killed, whole, tmp_path, spec_of, capsys):
    run = Path(shutil.copytree(killed, tmp_path / "run"))
    changed = spec_of(run, ("learning_rate = 1e-3", "learning_rate = 1e-5"))
    assert go_on(run, spec=load_spec(Path(changed)), force=True).summary.finished
    begun = json.loads((run / "data.json").read_text())
    (forced,) = begun["forced"]
    assert forced["changes"] == ["spec: training.learning_rate: 0.001 -> 1e-05"]
    assert forced["finished_folds"] == [1]
    assert json.loads((run / "spec.resolved.json").read_text())["training"]["learning_rate"] == 1e-5
    capsys.readouterr()
    assert e1bind(["train", "--resume", str(run)]) == 0
    assert e1bind(["compare", str(run), str(whole), "-o", str(tmp_path / "c")]) == 0
    assert "gone on with by --force although it had changed: spec: training.learning_rate" in said(capsys)
