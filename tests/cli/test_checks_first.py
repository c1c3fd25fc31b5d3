"""What can be checked at once is checked before anything heavy is loaded, or fetched."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest
from plugin_packages import run_python
from small_runs import SPEC, train_once
from small_specs import SMALLEST

from e1bind.curation.folding import make_folds
from e1bind.curation.reading import read_chains
from e1bind.inference import evaluate as evaluate_module
from e1bind.inference import predict as predict_module
from e1bind.spec import load_spec
from e1bind_cli.app import run as e1bind

HUB = SMALLEST.replace('random_weights = "tiny"', 'checkpoint = "nobody/has-this-model"')


@pytest.fixture
def small(tmp_path: Path, root: Path) -> Path:
    file = tmp_path / "spec.toml"
    file.write_text(SPEC.format(data=root / "examples" / "data").replace('ions = ["ZN"]', 'ions = ["ZN", "CA"]'))
    return file


def test_validate_in_an_empty_folder_tells_what_is_missing(tmp_path: Path, capsys) -> None:
    file = tmp_path / "spec.toml"
    file.write_text(SMALLEST + "[cv]\ngroups = 'clusters.tsv'\n")
    assert e1bind(["validate", str(file)]) == 2
    said = capsys.readouterr().err
    assert re.search(rf"cv\.groups +{tmp_path}/clusters\.tsv: there is no such file", said)
    assert re.search(rf"data\.fasta3\.train +{tmp_path}/ZN_train\.fasta: there is no such file", said)


def test_validate_data_counts_what_training_would_take(small: Path, capsys) -> None:
    assert e1bind(["validate", str(small), "--data", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    spec = load_spec(small)
    plan = make_folds(spec, read_chains(spec, "train"))
    folds = told["data"]["folds"]
    assert [(row["fold"], row["ion"], row["positives"]) for row in folds] == [
        (count.fold, count.ion, count.positives) for count in plan.counts
    ]
    zinc = told["data"]["splits"]["train"]["ions"]["ZN"]
    assert (zinc["chains"], zinc["binding"], zinc["aligned"]) == (13, 49, 0)
    assert sum(row["residues"] for row in folds if row["ion"] == "ZN") == zinc["known"]
    assert e1bind(["validate", str(small), "--data"]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"ZN +13 +1814 +1814 +49 +0", shown)
    assert len(re.findall(r"^ +[12] +(?:ZN|CA) +\d+ +\d+ +\d+", shown, re.M)) == 4


def test_validate_data_tells_all_problems_of_data_and_folds(small: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "test.fasta").write_text(">one\nMKV\n0102\n")
    text = (
        small.read_text().replace("[cv]", f'test = "{tmp_path}/test.fasta"\n[cv]').replace("folds = 2", "folds = 9")
    )
    small.write_text(text)
    assert e1bind(["validate", str(small), "--data", "--json"]) == 2
    told = capsys.readouterr()
    (problem,) = json.loads(told.out)["problems"]
    assert "fold" in problem["message"]
    assert f"{tmp_path}/test.fasta" in problem["message"]
    assert problem["message"] in told.err


def test_a_missing_file_is_told_before_torch_is_imported(tmp_path: Path) -> None:
    (tmp_path / "spec.toml").write_text(HUB)
    code = f"""
import sys
from e1bind_cli.app import run
print(run(["train", {str(tmp_path / "spec.toml")!r}]), "torch" in sys.modules)
"""
    result = run_python(code)
    assert result.stdout.split() == ["2", "False"]
    assert "data.fasta3.train" in result.stderr


@pytest.mark.parametrize("begun_by", ["a command", "a notebook"])
def test_data_is_read_and_folded_before_a_hub_is_asked(tmp_path: Path, capsys, begun_by: str) -> None:
    """Without a network a hub that is asked takes a minute of retries."""
    (tmp_path / "spec.toml").write_text(HUB)
    (tmp_path / "ZN_train.fasta").write_text(">one\nMKV\n010\n>two\nMKVHHH\n010\n")
    started = time.monotonic()
    if begun_by == "a command":
        assert e1bind(["train", str(tmp_path / "spec.toml")]) == 2
        said = capsys.readouterr().err
    else:
        with pytest.raises(Exception, match="ZN_train") as raised:
            train_once(tmp_path, HUB)
        said = str(raised.value)
    assert "ZN_train.fasta" in said
    assert "two" in said
    assert time.monotonic() - started < 20
    (tmp_path / "ZN_train.fasta").write_text(">one\nMKV\n010\n")
    assert e1bind(["train", str(tmp_path / "spec.toml")]) == 2
    assert "cannot fill 5 folds" in capsys.readouterr().err


def test_predict_and_evaluate_look_at_their_input_before_a_model_is_loaded(
    tmp_path: Path, root: Path, monkeypatch, capsys
) -> None:
    text = SPEC.format(data=root / "examples" / "data").replace("epochs = 2", "epochs = 1")
    run = str(train_once(tmp_path, text).run.path)

    def loaded(*_: object) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr(predict_module, "Ensemble", loaded)
    monkeypatch.setattr(evaluate_module, "Ensemble", loaded)
    no_fasta = tmp_path / "no.fasta"
    no_fasta.write_text("id,sequence\n")
    for words, said in (
        (["predict", run, "gone.fasta"], "gone.fasta: there is no such file"),
        (["predict", run, str(no_fasta)], "is no FASTA: line 1 is not a header"),
        (
            ["predict", run, str(root / "examples/data/ZN_train.fasta"), "--msa-dir", "gone"],
            "gone: --msa-dir is not a",
        ),
        (["evaluate", run, "--data", "gone.fasta"], "gone.fasta: there is no such file"),
        (["evaluate", run, "--data", str(no_fasta)], "no.fasta"),
    ):
        assert e1bind(words) == 2, words
        assert said in capsys.readouterr().err
