"""A sealed run that was made before there were heads and baselines, used as it lies there."""

from __future__ import annotations

import csv
import gzip
import io
import json
import shutil
from pathlib import Path

import pytest

from e1bind.runs.frozen_spec import frozen_spec
from e1bind.runs.layout import opened
from e1bind_cli.app import run as e1bind

KEPT = Path(__file__).parents[2] / "data" / "run_before_heads"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return Path(shutil.copytree(KEPT / "run", tmp_path / "old"))


@pytest.fixture
def zinc(root: Path) -> str:
    return str(root / "examples" / "data" / "ZN_train.fasta")


def test_predict_gives_what_the_version_that_made_it_gave(old, zinc, tmp_path):
    table = tmp_path / "out.csv"
    assert e1bind(["predict", str(old), zinc, "-o", str(table)]) == 0
    wanted = list(csv.DictReader(io.StringIO(gzip.decompress((KEPT / "predicted.csv.gz").read_bytes()).decode())))
    found = list(csv.DictReader(table.open()))
    assert len(found) == len(wanted) == 1814
    for ours, theirs in zip(found, wanted, strict=True):
        assert (ours["protein"], ours["call"]) == (theirs["protein"], theirs["call"])
        assert float(ours["probability"]) == pytest.approx(float(theirs["probability"]), abs=1e-5)


def test_it_is_evaluated_compared_and_reported_without_baselines(old, zinc, tmp_path):
    other = Path(shutil.copytree(old, tmp_path / "other"))
    assert e1bind(["evaluate", str(old), "--data", zinc, "--resamples", "20"]) == 0
    assert e1bind(["compare", str(old), str(other), "-o", str(tmp_path / "cmp")]) == 0
    assert e1bind(["report", str(old)]) == 0
    figures = json.loads((old / "evaluation_ZN_train" / "metrics.json").read_text())["ions"]["ZN"]
    assert "baselines" not in figures
    assert "method" not in (tmp_path / "cmp" / "comparison.csv").read_text().splitlines()[0]
    assert "had for nothing" not in (old / "report.html").read_text()


def test_what_it_does_not_say_means_what_was_done_then(old):
    spec = frozen_spec(opened(old))
    assert spec.lora.enabled
    assert not spec.lora.use_dora
    assert spec.has_prototypes
    assert spec.baselines.compute == []
    assert spec.metrics.threshold_method == "youden"


def test_a_file_of_baselines_that_it_never_had_is_refused(old, zinc, tmp_path, capsys):
    (old / "fold_1" / "baselines.safetensors").write_bytes(b"anything")
    assert e1bind(["evaluate", str(old), "--data", zinc, "--resamples", "20"]) == 2
    assert "baselines.safetensors is damaged: it was put there after" in " ".join(capsys.readouterr().err.split())
