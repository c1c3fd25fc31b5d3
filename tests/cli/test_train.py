"""`e1bind train` as a user meets it: wrong input, signals, several processes, other people's plugins."""

from __future__ import annotations

import gzip
import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from launching import wait_for
from plugin_packages import environment, run_cli
from small_runs import SPEC

from e1bind_cli.app import run

GOOD = """\
>1abc_A
MKCHHEC
0011101
>2abc_A
MKDHHEAC
00011001
>3abc_A
WWCHHEC
0011101
>4abc_A
GGDHHEAC
00011001
"""
SMALL = """\
schema_version = 1
[run]
output_dir = "results"
threads = 1
[data.fasta3]
train = "{ion}_train.fasta"
[cv]
folds = 2
[backbone.e1]
random_weights = "tiny"
[views.masked]
num_variants = 2
[losses.prototype-bce]
[training]
ions = ["ZN"]
epochs = 1
warmup_epochs = 0
[metrics]
compute = ["auprc"]
"""

Refused = Callable[..., str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A spec with four short chains."""
    (tmp_path / "spec.toml").write_text(SMALL)
    (tmp_path / "ZN_train.fasta").write_text(GOOD)
    return tmp_path


@pytest.fixture
def refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Runs `train` and gives what it says, after making sure that it is a user's mistake and nothing was left."""

    def call(*arguments: str) -> str:
        code = run(["train", str(folder / "spec.toml"), *arguments])
        said = capsys.readouterr().err
        assert code == 2, said
        assert "Traceback" not in said
        assert len(said.splitlines()) <= 24, "an error fits one screen"
        assert not list((folder / "results").glob("*")) if (folder / "results").is_dir() else True
        return re.sub(r"\s+", " ", said)

    return call


def write(folder: Path, text: str) -> None:
    (folder / "ZN_train.fasta").write_text(text)


def test_labels_of_another_length_than_the_sequence(folder: Path, refused: Refused) -> None:
    write(folder, GOOD.replace("00011001\n>3abc", "0001100\n>3abc"))
    said = refused()
    assert "ZN_train.fasta" in said
    assert "2abc_A" in said
    assert "8 residues" in said or "8" in said
    assert "7" in said


def test_letters_outside_the_alphabet(folder: Path, refused: Refused) -> None:
    write(folder, GOOD.replace("MKDHHEAC", "MKDH1EAC"))
    said = refused()
    assert "ZN_train.fasta has 1 problem: line 5: 2abc_A" in said
    assert "2abc_A" in said
    assert "'1'" in said


def test_one_id_with_two_sequences(folder: Path, refused: Refused) -> None:
    write(folder, GOOD.replace("2abc_A", "1abc_A"))
    said = refused()
    assert "1abc_A" in said
    assert "ZN_train.fasta has 1 problem: line 4" in said


def test_an_ion_without_a_file(refused: Refused) -> None:
    said = refused("--set", 'training.ions=["ZN","CA"]')
    assert "CA_train.fasta" in said


def test_a_fold_without_positives(folder: Path, refused: Refused) -> None:
    zeros = re.sub(r"^[01]+$", lambda m: "0" * len(m[0]), GOOD, flags=re.M)
    write(folder, zeros.replace("0000000", "0011101", 1))
    said = refused()
    assert "ZN" in said
    assert "fold" in said
    assert "add unrelated chains that bind ZN" in said


def test_an_empty_file(folder: Path, refused: Refused) -> None:
    write(folder, "\n\n")
    assert "ZN_train.fasta" in refused()


def test_unknown_keys_at_any_depth_come_all_at_once(folder: Path, refused: Refused) -> None:
    text = (
        SMALL.replace("num_variants", "num_variant") + "monitro = 'hra'\n[msa.train]\nmax_num_sample = 3\n[modle]\n"
    )
    (folder / "spec.toml").write_text(text)
    said = refused()
    assert "spec.toml has 4 problems" in said
    for path in ("views.masked.num_variant", "metrics.monitro", "msa.train.max_num_sample", "modle"):
        assert path in said
    assert said.count("did you mean") >= 3


def test_a_wrong_type(folder: Path, refused: Refused) -> None:
    (folder / "spec.toml").write_text(SMALL.replace("epochs = 1", 'epochs = "one"', 1))
    said = refused()
    assert "training.epochs" in said
    assert "'one'" in said


def test_a_checkpoint_that_is_not_there(folder: Path, refused: Refused) -> None:
    (folder / "spec.toml").write_text(SMALL.replace('random_weights = "tiny"', 'checkpoint = "./weights"'))
    said = refused()
    assert "backbone.e1.checkpoint" in said
    assert "weights" in said


def test_a_cluster_file_that_misses_proteins(folder: Path, refused: Refused) -> None:
    (folder / "clusters.tsv").write_text("1abc_A\tx\n2abc_A\ty\n")
    (folder / "spec.toml").write_text(SMALL.replace("folds = 2", 'folds = 2\ngroups = "clusters.tsv"'))
    said = refused()
    assert "clusters.tsv" in said
    assert "3abc_A" in said
    assert "4abc_A" in said


def test_an_output_dir_that_cannot_be_written(folder: Path, refused: Refused) -> None:
    (folder / "taken").write_text("a file, not a folder")
    said = refused("--set", f"run.output_dir={folder / 'taken'}")
    assert "run.output_dir" in said
    assert "taken" in said
    assert "--set run.output_dir=PATH" in said


def test_more_folds_than_groups(refused: Refused) -> None:
    assert "cv.folds" in refused("--set", "cv.folds=9")


def test_a_window_limit_that_leaves_no_step_between_windows(refused: Refused) -> None:
    said = refused("--set", "training.max_residues=20", "--set", "training.window_overlap=20")
    assert "window_overlap" in said


def test_options_that_do_not_go_together(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    for arguments, sentence in (
        (["train"], "name a spec"),
        (["train", str(folder / "spec.toml"), "--fold", "1"], "--fold needs --run-id"),
        (["train", "--resume", str(folder), "--run-id", "x"], "--resume goes on with one that has a name"),
        (["train", str(folder / "spec.toml"), "--force"], "--force belongs to --resume"),
        (["train", "--resume", str(folder)], "is no run directory"),
        (["collect", str(folder)], "is no run directory"),
    ):
        assert run(arguments) == 2
        assert sentence in re.sub(r"\s+", " ", capsys.readouterr().err)


def test_a_run_prints_its_table_and_where_it_is(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with gzip.open(folder / "ZN_train.fasta.gz", "wt") as file:
        file.write(GOOD)
    (folder / "spec.toml").write_text(SMALL.replace("_train.fasta", "_train.fasta.gz"))
    assert run(["train", str(folder / "spec.toml"), "--run-id", "first"]) == 0
    captured = capsys.readouterr()
    assert re.search(r"^ *1 +ZN +1 +2 +", captured.out, re.M)
    assert re.search(r"^ *all +ZN +4 +", captured.out, re.M)
    assert "The backbone had random weights" in captured.out
    assert "results/first" in captured.out
    assert (folder / "results" / "first" / "report.html").stat().st_size > 10_000
    assert list((folder / "results" / "first" / "plots").glob("*.png"))
    assert not (folder / "results" / "first" / "fold_1" / "plots").exists()  # on demand
    assert run(["train", str(folder / "spec.toml"), "--run-id", "first"]) == 2
    assert "exists: choose another --run-id, or go on with it: e1bind train --resume" in re.sub(
        r"\s+", " ", capsys.readouterr().err
    )


@pytest.mark.slow
def test_a_loss_of_a_really_installed_package_trains_by_name(folder: Path, third_parties: Path) -> None:
    text = SMALL.replace("[losses.prototype-bce]", '[losses."acme-losses/prototype-hinge"]\nmargin = 0.3')
    (folder / "spec.toml").write_text(text)
    result = run_cli("train", "spec.toml", "--run-id", "acme", paths=(third_parties,), cwd=folder)
    assert result.returncode == 0, result.stderr
    run_dir = folder / "results" / "acme"
    plugins = json.loads((run_dir / "plugins.json").read_text())
    entry = plugins["losses.acme-losses/prototype-hinge"]
    assert (entry["distribution"], entry["version"]) == ("acme-losses", "0.2.0")
    rows = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    assert any("loss/acme-losses/prototype-hinge" in row for row in rows)
    assert "FutureWarning" not in result.stderr


LONG = SPEC.replace("epochs = 2", "epochs = 400")


def started(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "e1bind_cli", "train", *arguments]
    return subprocess.Popen(
        command, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.slow
def test_ctrl_c_ends_a_run_after_the_step_and_says_how_to_go_on(tmp_path: Path, root: Path) -> None:
    (tmp_path / "spec.toml").write_text(LONG.format(data=root / "examples" / "data"))
    process = started(tmp_path, "spec.toml", "--run-id", "stopped")
    run_dir = tmp_path / "results" / "stopped"
    wait_for(run_dir / "training.log", "fold 1 epoch 2")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "stopped by SIGINT" in said
    assert f"e1bind train --resume {run_dir}" in said
    assert "Traceback" not in said
    assert not (run_dir / "summary.json").exists()
    assert list((run_dir / "fold_1" / "last").glob("*.pt"))


@pytest.mark.slow
def test_two_processes_under_torchrun_agree_with_one(tmp_path: Path, root: Path) -> None:
    """The same global batch: 2 processes x 1 micro-batch, and 1 process x 2."""
    (tmp_path / "spec.toml").write_text(SPEC.format(data=root / "examples" / "data"))
    assert run(["train", str(tmp_path / "spec.toml"), "--run-id", "one"]) == 0
    two = run_cli(
        "train", "spec.toml", "--run-id", "two", "--set", "training.accum_steps=1", "--nproc", "2", cwd=tmp_path
    )
    assert two.returncode == 0, two.stderr
    assert two.stdout.count("run directory:") == 1  # one process talks
    results = tmp_path / "results"
    first, second = (
        [json.loads(x) for x in (results / n / "metrics.jsonl").read_text().splitlines()] for n in ("one", "two")
    )
    for a, b in zip(first, second, strict=True):
        assert set(a) == set(b)
        for name in a:
            if isinstance(a[name], float):
                assert b[name] == pytest.approx(a[name], rel=1e-5, abs=1e-6), name
            else:
                assert a[name] == b[name]
    with np.load(results / "one" / "oof_preds.npz") as x, np.load(results / "two" / "oof_preds.npz") as y:
        assert np.array_equal(x["protein"], y["protein"])
        assert np.abs(x["probability"] - y["probability"]).max() < 1e-5
