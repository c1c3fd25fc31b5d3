"""A run's baselines beside it: on test chains, in comparisons, in what commands say; and somebody else's own."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from launching import E1BIND
from plugin_packages import environment
from sklearn.metrics import average_precision_score
from small_runs import SPEC, train_once

from e1bind.metrics.thresholds import threshold_text
from e1bind.runs.baseline_files import read_baselines
from e1bind.runs.layout import RunDir
from e1bind_cli.app import run as e1bind

PLUGIN = '''
import numpy as np
import torch
from torch import nn

from e1bind.plugins import BaselinePlugin, HeadPlugin, hookimpl
from e1bind.spec import Options

E1BIND_API = 1


class Nothing(Options):
    """No options."""


class Half:
    """Every cysteine binds with probability one half, nothing else does."""

    def __init__(self, options):
        pass

    def fit(self, chains, rng):
        return {"chains": np.array(len(chains)), "drawn": rng.random(3)}

    def score(self, fitted, chain):
        assert (chain.labels == -1).all() and chain.embeddings is None
        return np.array([0.5 if letter == "C" else 0.0 for letter in chain.sequence])


class Scores(nn.Module):
    """A small network for each ion, each with parameters of its own."""

    def __init__(self, ions, width):
        super().__init__()
        self.nets = nn.ModuleDict({ion: nn.Linear(width, 1) for ion in ions})
        for net in self.nets.values():
            nn.init.zeros_(net.weight)

    def start(self, ion, start):
        self.nets[ion].bias.data.fill_(-3.0)

    def forward(self, inputs):
        return self.nets[inputs.ion](inputs.unit).squeeze(-1).mean(1)


class Net:
    def __init__(self, options):
        pass

    def module(self, ions, width):
        return Scores(ions, width)


@hookimpl
def e1bind_baselines():
    return [BaselinePlugin(name="half", target="mine:Half", options="mine:Nothing", summary="By a coin.")]


@hookimpl
def e1bind_heads():
    return [HeadPlugin(name="net", target="mine:Net", options="mine:Nothing", summary="A linear map for each ion.",
                       needs={"loss-on-scores"}, provides={"scores"})]
'''


def spec(root: Path, compute: str) -> str:
    text = SPEC.format(data=root / "examples" / "data").replace("compute = []", f"compute = {compute}")
    return text.replace("epochs = 2", "epochs = 1")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, root: Path) -> RunDir:
    torch.set_num_threads(1)
    return train_once(tmp_path_factory.mktemp("run"), spec(root, '["residue-type", "frozen-probe"]'), "beside").run


@pytest.fixture
def zinc(tmp_path: Path, root: Path) -> Path:
    """Five labelled chains under other names."""
    text = (root / "examples" / "data" / "ZN_train.fasta").read_text().replace(">", ">new_")
    path = tmp_path / "new.fasta"
    path.write_text("".join(f">{r}" for r in text.split(">")[1:6]))
    return path


def test_evaluate_asks_the_baselines_of_all_folds(trained, zinc, tmp_path, capsys):
    out = tmp_path / "out"
    assert e1bind(["evaluate", str(trained.path), "--data", str(zinc), "--resamples", "40", "-o", str(out)]) == 0
    said = capsys.readouterr().out
    assert all(len(line) <= 80 for line in said.splitlines()), said
    figures = json.loads((out / "metrics.json").read_text())["ions"]["ZN"]
    assert list(figures["baselines"]) == ["residue-type", "frozen-probe"]
    rows = list(csv.DictReader((out / "predictions.csv").open()))
    lines = zinc.read_text().splitlines()
    labels = np.array([int(c) for line in lines[2::3] for c in line])
    letters = "".join(lines[1::3])
    tables = [own.fitted["frequency"] for fold in (1, 2) for own in read_baselines(trained.fold(fold))
              if own.name == "residue-type"]  # fmt: skip
    types = ["ACDEFGHIKLMNPQRSTVWYX".index(letter) for letter in letters]
    values = np.mean([table[types] for table in tables], 0)
    found = figures["baselines"]["residue-type"]
    assert found["auprc"]["value"] == pytest.approx(average_precision_score(labels, values))
    ours = average_precision_score(labels, [float(row["probability"]) for row in rows])
    assert found["difference"]["value"] == pytest.approx(ours - found["auprc"]["value"], abs=1e-6)
    summary = json.loads(trained.summary.read_text())["oof"]["ZN"]["baselines"]
    assert found["threshold"] == summary["residue-type"]["threshold"]
    assert (out / "baselines_ZN.png").stat().st_size > 1000
    methods = {row["method"] for row in csv.DictReader((out / "metrics.csv").open())}
    assert methods == {"run", "residue-type", "frozen-probe"}


def test_the_probe_on_test_chains_is_that_of_the_run_s_own_folds(trained, root, tmp_path):
    """Of chains of the training one fold knew the labels, so that the mean does better than on chains held out."""
    data = root / "examples" / "data" / "ZN_train.fasta"
    args = ["evaluate", str(trained.path), "--data", str(data), "--resamples", "20", "-o", str(tmp_path / "out")]
    assert e1bind(args) == 0
    found = json.loads((tmp_path / "out" / "metrics.json").read_text())["ions"]["ZN"]["baselines"]["frozen-probe"]
    held_out = json.loads(trained.summary.read_text())["oof"]["ZN"]["baselines"]["frozen-probe"]
    assert found["auprc"]["value"] > held_out["auprc"]["value"]


def test_compare_lists_them_beside_the_runs(trained, root, tmp_path, capsys):
    other = train_once(tmp_path, spec(root, "[]") + 'threshold_method = "f1"\n', "without").run
    assert e1bind(["compare", str(trained.path), str(other.path), "-o", str(tmp_path / "out")]) == 0
    assert "auprc of frozen-probe" in capsys.readouterr().out
    rows = list(csv.DictReader((tmp_path / "out" / "comparison.csv").open()))
    assert {(row["method"], row["run"]) for row in rows} == {
        ("run", "beside"), ("run", "without"), ("residue-type", "beside"), ("frozen-probe", "beside"),
    }  # fmt: skip
    assert (tmp_path / "out" / "comparison_ZN.png").exists()


def test_the_report_shows_them_and_what_another_threshold_would_cost(trained, tmp_path, capsys):
    copy = Path(shutil.copytree(trained.path, tmp_path / "copy"))
    assert e1bind(["report", str(copy)]) == 0
    page = (copy / "report.html").read_text()
    assert page.index("above what is had for nothing cannot be told") < page.index("Out-of-fold results")
    assert "Beside what is had for nothing" in page
    assert "What another threshold would cost" in page
    assert (copy / "plots" / "baselines_ZN.png").exists()


def test_predict_says_what_the_threshold_costs_unless_the_user_chose_it(trained, zinc, tmp_path, capsys):
    def said(*more: str) -> str:
        assert e1bind(["predict", str(trained.path), str(zinc), "-o", str(tmp_path / "o.csv"), *more]) == 0
        return " ".join(capsys.readouterr().err.split())

    text = said()
    choice = json.loads(trained.summary.read_text())["oof"]["ZN"]["choices"]
    assert f"ZN is called by mcc, from {threshold_text(choice['mcc']['threshold'])} on" in text
    assert f"youden from {threshold_text(choice['youden']['threshold'])} on" in text
    assert "is called by" not in said("--threshold", "ZN=0.5")


@pytest.mark.slow
def test_a_baseline_and_a_head_of_somebody_else(root, tmp_path, zinc, capsys):
    """From one file: trained, evaluated, and refused without the user's trust where the run brings it along."""
    (tmp_path / "mine.py").write_text(PLUGIN)
    text = spec(root, '["half", "residue-type"]')
    losses = text[text.index("[losses.nt-xent]") : text.index("[training]")]
    text = text.replace(losses, "[plugins]\nlocal = ['mine.py']\n[head.net]\n[losses.bce]\n")
    run = train_once(tmp_path, text.replace('["ZN"]', '["ZN", "CA"]'), "own").run
    found = {(own.ion, own.name): own for own in read_baselines(run.fold(1))}
    assert set(found) == {(ion, name) for ion in ("ZN", "CA") for name in ("half", "residue-type")}
    assert found["ZN", "half"].fitted["drawn"].tolist() != found["CA", "half"].fitted["drawn"].tolist()
    args = ["evaluate", str(run.path), "--data", str(zinc), "--ion", "ZN", "--resamples", "20"]
    refused = subprocess.run([*E1BIND, *args], capture_output=True, text=True, env=environment())
    assert refused.returncode == 2
    assert "--trust-run-code" in refused.stderr
    trusted = subprocess.run(
        [*E1BIND, *args, "--trust-run-code"], capture_output=True, text=True, env=environment()
    )
    assert trusted.returncode == 0, trusted.stderr
    assert "half" in trusted.stdout
