"""A finished run with the out-of-fold predictions of as many proteins as intervals need."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from seals import rewrite
from sklearn.metrics import average_precision_score, f1_score, matthews_corrcoef

from e1bind.runs.oof_table import write_oof
from e1bind.scoring import probabilities

THRESHOLD = 0.5
ION = "ZN"


def proteins(run: Path, quality: float, seed: int, count: int = 30) -> Path:
    """Put `count` drawn proteins into an unsealed run of zinc; better scores for a higher `quality`.

    Sequences and labels are the same whatever the arguments; the figures of the summary are scikit-learn's.
    """
    data = np.random.default_rng(0)
    lengths = data.integers(20, 60, count)
    label = (data.random(int(lengths.sum())) < 0.1).astype(np.int8)
    noise = np.random.default_rng(seed).normal(size=label.size)
    score = np.round(quality * label + noise - 1, 1).astype(np.float32)
    table = {
        "protein": np.repeat([f"p{number:02}" for number in range(count)], lengths),
        "residue_index": np.concatenate([np.arange(length) for length in lengths]).astype(np.int32),
        "amino_acid": data.choice(list("ACDEFGHIKL"), label.size),
        "fold": np.repeat(np.arange(count) % 2 + 1, lengths).astype(np.int16),
        "ion": np.full(label.size, ION),
        "label": label,
        "score": score,
        "probability": probabilities(score).astype(np.float32),
    }
    order = np.random.default_rng(seed).permutation(label.size)  # another run may hold chains in other folds
    write_oof(run / "oof_preds.npz", {name: column[order] for name, column in table.items()})
    called = table["probability"] >= THRESHOLD
    figures = {
        "auprc": average_precision_score(label, score),
        "f1": f1_score(label, called),
        "mcc": matthews_corrcoef(label, called),
    }
    rewrite(run / "summary.json", lambda summary: _one_ion(summary, figures))
    return run


def _one_ion(summary: dict, figures: dict[str, float]) -> None:
    summary["ions"] = [ION]
    summary["data"] = {ION: summary["data"][ION]}
    summary["folds"] = [{**row, "metrics": dict(figures)} for row in summary["folds"] if row["ion"] == ION]
    summary["oof"] = {ION: {**summary["oof"][ION], "metrics": dict(figures), "threshold": THRESHOLD}}


def metrics_of(run: Path) -> dict[str, float]:
    """The figures of its summary."""
    return json.loads((run / "summary.json").read_text())["oof"][ION]["metrics"]
