"""A run directory as the engine left it before runs were sealed, with made-up numbers that look like training."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from matplotlib.figure import Figure

from e1bind.contracts import MetricInputs
from e1bind.metrics.curves import Auprc, Auroc, Hra
from e1bind.metrics.options import HraOptions, NoOptions
from e1bind.metrics.thresholds import choose_threshold
from e1bind.report.run_page import write_report
from e1bind.runs.fingerprints import spec_fingerprint

LETTERS = np.array(list("ACDEFGHIKLMNPQRSTVWY"))


def epoch_rows(ions: list[str], folds: int, epochs: int) -> list[dict[str, Any]]:
    """Rows of `metrics.jsonl`: losses fall, metrics rise, binding residues come to their prototype."""
    rng = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    for fold in range(1, folds + 1):
        for epoch in range(1, epochs + 1):
            for number, ion in enumerate(ions):
                done = 1 - 0.75**epoch
                noise = float(rng.normal(0, 0.02))
                head = {"fold": fold, "epoch": epoch, "ion": ion}
                losses = {
                    "loss": 9 - 3 * done + noise,
                    "loss/nt-xent": 6.5 - 1.5 * done + noise,
                    "loss/prototype-alignment": 1.1 - 0.7 * done,
                    "loss/prototype-bce": 0.7 - 0.3 * done,
                    "loss/mlm": 2.8 - 0.2 * done,
                }
                likeness = {
                    "pull_mask_ratio": 0.98 - 0.7 * done,
                    "pull_mask_ratio|pos": 0.3 - 0.1 * done,
                    "pull_mask_ratio|neg": 0.99 - 0.72 * done,
                    "sim_pos": 0.93 - 1.2 * done + noise,
                    "sim_neg": -0.93 + 1.2 * done - noise,
                    "sim_pos|pos": 0.95 - 0.25 * done,
                    "sim_pos|neg": 0.93 - 1.25 * done,
                }
                metrics = {"auprc": 0.05 + 0.5 * done + noise, "hra": 0.02 + 0.1 * done + noise / 4}
                rows.append({**head, "split": "train", **losses, **likeness})
                valid = {key: value + 0.1 + 0.05 * number for key, value in losses.items()}
                rows.append({**head, "split": "valid", **valid, **metrics})
    return rows


def oof_table(ions: list[str], folds: int, proteins: int) -> dict[str, np.ndarray]:
    """Arrays of `oof_preds.npz`."""
    rng = np.random.default_rng(1)
    columns: dict[str, list[np.ndarray]] = {}
    for ion in ions:
        for number in range(proteins):
            length = int(rng.integers(60, 330))
            label = (rng.random(length) < 0.03).astype(np.int8)
            label[5] = 1
            score = (rng.normal(-3, 1.5, length) + 4.5 * label).astype(np.float32)
            part = {
                "protein": np.full(length, f"{number + 1:d}abc_{ion}"),
                "residue_index": np.arange(length, dtype=np.int32),
                "amino_acid": rng.choice(LETTERS, length),
                "fold": np.full(length, 1 + number % folds, dtype=np.int16),
                "ion": np.full(length, ion),
                "label": np.where(rng.random(length) < 0.01, -1, label).astype(np.int8),
                "score": score,
                "probability": (1 / (1 + np.exp(-score))).astype(np.float32),
            }
            for name, values in part.items():
                columns.setdefault(name, []).append(values)
    return {name: np.concatenate(parts) for name, parts in columns.items()}


def measured(table: dict[str, np.ndarray], keep: np.ndarray) -> dict[str, float]:
    keep = keep & (table["label"] >= 0)
    inputs = MetricInputs(table["probability"][keep].astype(float), table["label"][keep], np.zeros(keep.sum(), int))
    metrics = {"auprc": Auprc(NoOptions()), "auroc": Auroc(NoOptions()), "hra": Hra(HraOptions())}
    return {name: metric(inputs).value for name, metric in metrics.items()}


def write_run(folder: Path, ions: list[str], folds: int = 3, proteins: int = 9, epochs: int = 8) -> Path:
    """Fill `folder` with the files a report is made of."""
    folder.mkdir(parents=True)
    rows, table = epoch_rows(ions, folds, epochs), oof_table(ions, folds, proteins)
    thresholds = {}
    for ion in ions:
        keep = (table["ion"] == ion) & (table["label"] >= 0)
        thresholds[ion] = choose_threshold(table["probability"][keep], table["label"][keep], "youden").to_dict()
    summary = {
        "run_id": folder.name,
        "status": "finished",
        "backbone": "E1 tiny, random weights, 0.3 M parameters, float32",
        "random_weights": True,
        "monitor": "hra",
        "scoring_temperature": 0.2,
        "ions": ions,
        "data": {ion: {"proteins": proteins, "residues": 1700, "positives": 60} for ion in ions},
        "folds": [
            {
                "fold": fold,
                "ion": ion,
                "best_epoch": epochs - 1,
                "epochs": epochs,
                "proteins": 3,
                "residues": int(((table["fold"] == fold) & (table["ion"] == ion)).sum()),
                "positives": 20,
                "prototype_positives": 40,
                "metrics": measured(table, (table["fold"] == fold) & (table["ion"] == ion)),
            }
            for fold in range(1, folds + 1)
            for ion in ions
        ],
        "oof": {
            ion: {
                "metrics": measured(table, table["ion"] == ion),
                "threshold": thresholds[ion]["threshold"],
                "undefined": [],
            }
            for ion in ions
        },
        "warnings": ["ZN: sim_pos is -0.21 while auprc is stable"],
    }
    plugins = {
        f"losses.{name}": {
            "component": f"e1bind-losses/{name}",
            "target": f"e1bind_losses.{name.replace('-', '_')}:Loss",
            "distribution": "e1bind-losses",
            "version": "0.1.0",
            "entry_point": "losses",
            "module": "e1bind_losses.plugin",
            "file": None,
        }
        for name in ("nt-xent", "prototype-bce")
    }
    environment = {"python": "3.11.9", "packages": {"torch": "2.15.0", "peft": "0.21.0"}, "gpu": None}
    resolved = {"run": {"seed": 1, "output_dir": "/home/someone/results"}, "cv": {"folds": folds}}
    resolved["metrics"] = {"calibration": "none"}
    begun = {"fingerprint": "0" * 64, "spec": spec_fingerprint(resolved), "ions": summary["data"], "processes": 1}
    (folder / "spec.toml").write_text('schema_version = 1\n[run]\noutput_dir = "results"\nseed = 1\n')
    (folder / "spec.resolved.json").write_text(json.dumps(resolved))
    (folder / "summary.json").write_text(json.dumps(summary))
    (folder / "plugins.json").write_text(json.dumps(plugins))
    (folder / "environment.json").write_text(json.dumps(environment))
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "global_thresholds.yaml").write_text(yaml.safe_dump(thresholds, sort_keys=False))
    (folder / "data.json").write_text(json.dumps(begun))
    for fold in range(1, folds + 1):
        (folder / f"fold_{fold}").mkdir()
        (folder / f"fold_{fold}" / "fold.json").write_text("{}")
    np.savez_compressed(folder / "oof_preds.npz", **table)
    return folder


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """Makes a run directory; arguments as `write_run`."""
    return lambda ions=("ZN",), **sizes: write_run(tmp_path / "demo-20260101-000000-abcd", list(ions), **sizes)


@pytest.fixture
def rows() -> list[dict[str, Any]]:
    """Rows of two ions, three folds, eight epochs."""
    return epoch_rows(["ZN", "CA"], 3, 8)


@pytest.fixture
def residues() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities, labels and folds of one ion, labelled residues only."""
    table = oof_table(["ZN"], 3, 9)
    keep = table["label"] >= 0
    return table["probability"][keep], table["label"][keep], table["fold"][keep]


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run of two ions, with its run directory around it."""
    folder = tmp_path_factory.mktemp("results") / "demo-20260101-000000-abcd"
    return write_report(write_run(folder, ["ZN", "CA"]))


@pytest.fixture
def figures(monkeypatch):
    """The figures that were written, to look into."""
    written, save = [], Figure.savefig

    def savefig(figure, *args, **kwargs):
        written.append(figure)
        save(figure, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", savefig)
    return written
