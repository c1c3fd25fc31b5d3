"""A component that breaks its contract in a run is named in one sentence, before what it gave does harm."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import pytest
from small_runs import train_once

from e1bind.errors import ContractError, PluginError
from e1bind_cli.app import run as e1bind

ZOO = Path(__file__).resolve().parents[2] / "zoo"
SPEC = """\
schema_version = 1
[plugins]
local = [{local}]
[run]
output_dir = "results"
threads = 1
[data.{reader}]
train = "{data}"
[cv]
folds = 2
[backbone.{backbone}]
[views.{views}]
[losses.{loss}]
[training]
ions = ["ZN"]
epochs = 1
warmup_epochs = 0
early_stop_patience = 0
window_overlap = 16
workers = {workers}
[metrics]
compute = []
monitor = "{metric}"
"""
RIGHT = {
    "reader": "fasta3",
    "backbone": "right-backbone",
    "views": "right-views",
    "loss": "right-loss",
    "metric": "right-metric",
}
FILES = ("wrong_losses", "wrong_views", "wrong_backbones", "wrong_metrics", "wrong_readers")
BEFORE = {  # nothing was begun
    ("loss", "no-module"): "is a NoModule; a loss is a torch.nn.Module",
    ("views", "counts-nothing"): "has num_views = None; it must be a whole number of at least 1",
    ("backbone", "says-nothing-of-contexts"): "has supports_context = None; it must be True or False",
    ("backbone", "places-out-of-range"): "out of range of its",
    ("backbone", "places-one-to-the-left"): "has token indices that point at the wrong residues",
    ("backbone", "places-backwards"): "has token indices that point at the wrong residues",
    ("metric", "no-direction"): "has higher_is_better = None; it must be True or False",
    ("reader", "cannot-read"): "has no method 'read'",
    ("reader", "loses-the-last-label"): "gave 'a' 11 labels for ZN and 12 residues; there must be one for each",
}
AFTER = {
    ("loss", "returns-a-float"): "it must be a scalar tensor",
    ("loss", "returns-a-tensor"): "a loss returns a LossOutput",
    ("loss", "returns-one-per-residue"): "it must be a floating-point scalar",
    ("loss", "detached"): "returned a value without a graph",
    ("views", "makes-one-less"): "it promises num_views = 3",
    ("views", "drops-the-last-residue"): "whose truth is not the chain",
    ("views", "cuts-hidden-residues-out"): "all must agree",
    ("backbone", "declares-another-width"): "with hidden_size = 16 and",
    ("metric", "returns-a-number"): "returned a float; a metric returns a MetricOutput",
    ("metric", "raises"): "raised ValueError",
}
KINDS = {"views": "view generator"}


@pytest.fixture(autouse=True)
def zoo_is_importable(monkeypatch):
    monkeypatch.syspath_prepend(str(ZOO))
    yield
    for name in FILES:
        sys.modules.pop(name, None)


def spec(root: Path, folder: Path, workers: int = 0, **parts: str) -> str:
    data = root / "examples" / "data" / "{ion}_train.fasta"
    if "reader" in parts:
        (folder / "ZN.csv").write_text("a,MKVHCDEACGHK,000110010110\nb,GSHMCELPCWHT,001010001010\n")
        data = folder
    local = ", ".join(f'"{ZOO / name}.py"' for name in FILES)
    return SPEC.format(local=local, data=data, workers=workers, **{**RIGHT, **parts})


def told(root: Path, folder: Path, kind: str, name: str, workers: int = 0) -> str:
    with pytest.raises(ContractError) as error:
        train_once(folder, spec(root, folder, workers, **{kind: name}), "run")
    message = str(error.value)
    assert message.startswith(f"{KINDS.get(kind, kind)} local/{name} ")
    assert "e1bind check-plugin" in message
    assert "\n" not in message
    return message


@pytest.mark.parametrize(("kind", "name"), BEFORE)
def test_what_can_be_told_before_a_run_is_begun_is(root, tmp_path, kind, name) -> None:
    assert BEFORE[kind, name] in told(root, tmp_path, kind, name)
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(("kind", "name"), AFTER)
def test_what_a_component_gives_is_looked_at(root, tmp_path, kind, name) -> None:
    assert AFTER[kind, name] in told(root, tmp_path, kind, name)


def test_a_worker_s_mistake_is_one_sentence_too(root, tmp_path) -> None:
    assert "it promises num_views = 3" in told(root, tmp_path, "views", "makes-one-less", workers=1)


def test_right_ones_train(root, tmp_path) -> None:
    assert train_once(tmp_path, spec(root, tmp_path), "run").run.path.is_dir()


def test_views_that_are_the_same_in_every_epoch_are_warned_of(root, tmp_path, caplog) -> None:
    with caplog.at_level(logging.WARNING, "e1bind"):
        train_once(tmp_path, spec(root, tmp_path, views="ignores-its-key"), "run")
    assert "view generator local/ignores-its-key makes the same views in every epoch" in caplog.text


def test_a_target_that_does_not_exist_is_told_before_a_run_is_begun(root, tmp_path, capsys) -> None:
    with pytest.raises(PluginError, match="its target 'wrong_losses:Nowhere' cannot be imported"):
        train_once(tmp_path, spec(root, tmp_path, loss="no-such-target"), "run")
    assert not (tmp_path / "results").exists()
    file = tmp_path / "spec.toml"
    assert e1bind(["validate", str(file)]) == 0
    assert e1bind(["validate", str(file), "--build"]) == 2
    assert "'wrong_losses:Nowhere' cannot be imported" in capsys.readouterr().err


def test_validate_builds_all_but_weights(root, tmp_path, capsys) -> None:
    file = tmp_path / "spec.toml"
    file.write_text(spec(root, tmp_path))
    assert e1bind(["validate", str(file), "--build"]) == 0
    assert "all built (tiny backbone, random weights (seed 0), float32)" in capsys.readouterr().out
    file.write_text(spec(root, tmp_path, backbone="places-one-to-the-left"))
    assert e1bind(["validate", str(file), "--build"]) == 2
    assert "point at the wrong residues" in capsys.readouterr().err
