"""The example specs, as their heads say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from plugin_packages import run_cli

TINY = [
    "backbone.e1.random_weights=tiny",
    "backbone.e1.dtype=float32",
    "cv.folds=2",
    'training.ions=["ZN", "CA"]',
    "training.epochs=1",
    "training.warmup_epochs=0",
    "training.workers=0",
    "run.threads=1",
]


def overrides(*more: str) -> list[str]:
    return [word for text in (*TINY, *more) for word in ("--set", text)]


@pytest.mark.parametrize("name", ["quickstart.toml", "e1_contrastive.toml"])
def test_an_example_validates(root: Path, name: str) -> None:
    result = run_cli("validate", str(root / "examples" / name))
    assert result.returncode == 0, result.stderr
    assert "is valid" in result.stdout


def test_the_lab_s_spec_is_the_whole_pipeline(root: Path) -> None:
    result = run_cli("show", str(root / "examples" / "e1_contrastive.toml"), "--json")
    values = {row["path"]: row["value"] for row in json.loads(result.stdout)}
    assert values["backbone.e1.checkpoint"] == "Profluent-Bio/E1-150m"
    assert values["backbone.e1.dtype"] == "bfloat16"
    assert len(values["training.ions"]) > 1
    assert values["cv.folds"] == 5
    assert values["cv.groups"]
    assert values["views.masked.resample_msa_per_variant"] is True
    assert values["data.fasta3.msa_dir"]
    for loss in ("nt-xent", "prototype-alignment", "prototype-bce", "mlm"):
        assert values[f"losses.{loss}.weight"] > 0


def test_every_value_that_is_set_says_why(root: Path) -> None:
    lines = (root / "examples" / "e1_contrastive.toml").read_text().splitlines()
    keys = [line for line in lines if "=" in line and not line.startswith(("#", "schema_version", "["))]
    assert keys
    assert all("#" in line for line in keys)


@pytest.mark.slow
def test_the_lab_s_spec_trains_on_the_example_chains_without_the_weights(root: Path, tmp_path: Path) -> None:
    spec = str(root / "examples" / "e1_contrastive.toml")
    more = [f"run.output_dir={tmp_path}", "prototypes.max_samples=4"]
    result = run_cli("train", spec, "--run-id", "lab", *overrides(*more))
    assert result.returncode == 0, result.stderr
    summary = json.loads((tmp_path / "lab" / "summary.json").read_text())
    assert summary["ions"] == ["ZN", "CA"]
    assert set(summary["oof"]["CA"]["baselines"]) == {"residue-type", "window", "frozen-probe"}
