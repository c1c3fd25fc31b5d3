"""A run that an earlier version made, before runs had seals: kept as test data, and used as it lies there."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import shutil
from pathlib import Path

import pytest
from seals import rewrite

from e1bind.runs.fingerprints import spec_fingerprint
from e1bind_cli.app import run as e1bind

KEPT = Path(__file__).parents[2] / "data" / "run_before_rooms"
MADE_IN = "/tmp/e1bind"


@pytest.fixture
def old(tmp_path: Path, root: Path) -> Path:
    """The run as if it had been made here: its absolute paths lead into `tmp_path`."""
    run = Path(shutil.copytree(KEPT / "run", tmp_path / "results" / "finished"))
    shutil.copytree(root / "examples" / "data", tmp_path / "data")
    path = run / "spec.resolved.json"
    path.write_text(path.read_text().replace(MADE_IN, str(tmp_path)))
    resolved = json.loads(path.read_text())
    rewrite(run / "data.json", lambda table: table.update(spec=spec_fingerprint(resolved)))
    return run


def results(run: Path) -> dict[str, bytes]:
    names = ["oof_preds.npz", "global_thresholds.yaml", "calibration.yaml", "metrics.jsonl", "summary.csv"]
    names += [f"fold_{n}/{name}" for n in (1, 2) for name in ("oof_preds.npz", "metrics.jsonl")]
    found = {name: (run / name).read_bytes() for name in names}
    # The last digits of fitted maps are those of scikit-learn's version.
    found["calibration.yaml"] = re.sub(rb"\d+\.\d{9,}", lambda n: b"%.9g" % float(n[0]), found["calibration.yaml"])
    return found


def test_predict_gives_what_the_version_that_made_it_gave(old, tmp_path, capsys):
    table = tmp_path / "out.csv"
    assert e1bind(["predict", str(old), str(tmp_path / "data" / "ZN_train.fasta"), "-o", str(table)]) == 0
    assert "was made before runs kept SHA-256 of their files" in " ".join(capsys.readouterr().err.split())
    wanted = csv.DictReader(io.StringIO(gzip.decompress((KEPT / "predicted.csv.gz").read_bytes()).decode()))
    found = list(csv.DictReader(table.open()))
    assert len(found) == 1814
    for ours, theirs in zip(found, wanted, strict=True):
        assert (ours["protein"], ours["position"], ours["call"]) == (
            theirs["protein"],
            theirs["position"],
            theirs["call"],
        )
        assert float(ours["probability"]) == pytest.approx(float(theirs["probability"]), abs=1e-5)


@pytest.mark.slow
def test_it_is_evaluated_compared_and_reported(old, tmp_path):
    other = Path(shutil.copytree(old, tmp_path / "other"))
    data = tmp_path / "data" / "ZN_train.fasta"
    assert e1bind(["evaluate", str(old), "--data", str(data), "--resamples", "20"]) == 0
    assert e1bind(["compare", str(old), str(other), "-o", str(tmp_path / "cmp")]) == 0
    assert e1bind(["report", str(old)]) == 0
    assert "test ZN_train" in (tmp_path / "cmp" / "comparison.csv").read_text()


def test_collect_puts_it_together_to_the_same_bytes_and_seals_it(old, tmp_path, capsys):
    before = results(old)
    assert e1bind(["collect", str(old)]) == 0
    assert results(old) == before
    summary = json.loads((old / "summary.json").read_text())
    assert summary["format"] == 2
    adapter = old / "fold_1" / "best_e1_contrastive_model_lora" / "adapter_model.safetensors"
    content = bytearray(adapter.read_bytes())
    content[-10] ^= 1
    adapter.write_bytes(bytes(content))
    capsys.readouterr()
    assert e1bind(["predict", str(old), str(tmp_path / "data" / "ZN_train.fasta")]) == 2
    assert "adapter_model.safetensors is damaged" in " ".join(capsys.readouterr().err.split())


@pytest.mark.slow
def test_an_unfinished_one_is_gone_on_with_to_the_same_bytes(old):
    before = results(old)
    for name in ("summary.json", "summary.csv", "oof_preds.npz", "fold_2/fold.json", "fold_2/oof_preds.npz"):
        (old / name).unlink()
    assert e1bind(["train", "--resume", str(old)]) == 0
    assert "fold 2 goes on at epoch 2, step 0" in (old / "training.log").read_text()
    assert results(old) == before
    assert json.loads((old / "fold_2" / "fold.json").read_text())["format"] == 2
