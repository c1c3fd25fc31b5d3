"""AUPRC, AUROC and HRA of many residues against scikit-learn: CPU time, one thread, interleaved, ratios as JSON.

    uv run python benchmarks/metrics.py --residues 10_000_000 --repeats 3

Parity with scikit-learn (1e-12) is asserted before anything is timed. Two sets of scores are measured: all
different, and rounded to four digits so that most are tied.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import statistics
import time
from collections.abc import Callable

import numpy as np
from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_auc_score

from e1bind.contracts import Metric, MetricInputs
from e1bind.metrics.curves import Auprc, Auroc, Hra
from e1bind.metrics.options import HraOptions, NoOptions
from e1bind.metrics.thresholds import choose_threshold

Timed = Callable[[], float]


def sklearn_hra(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """High-recall area from scikit-learn's curve: cut at recall 0.7, then its trapezoid rule."""
    precision, recall, _ = precision_recall_curve(labels, probabilities)
    precision, recall = precision[::-1], recall[::-1]
    inside = int(np.argmax(recall > 0.7))
    r1, r2, p1, p2 = recall[inside - 1], recall[inside], precision[inside - 1], precision[inside]
    at_band = p1 + (p2 - p1) * (0.7 - r1) / (r2 - r1)
    return float(auc(np.r_[0.7, recall[inside:]], np.r_[at_band, precision[inside:]]))


def scored(residues: int, tied: bool) -> MetricInputs:
    """Scores as a run makes them: float32 probabilities, 1.6 % positives."""
    rng = np.random.default_rng(0)
    labels = (rng.random(residues) < 0.016).astype(np.int8)
    probabilities = rng.beta(1.0 + 2 * labels, 6.0).astype(np.float32)
    if tied:
        probabilities = np.round(probabilities, 4)
    return MetricInputs(probabilities.astype(np.float64), labels, np.zeros(residues, np.int64))


def cpu_seconds(variants: dict[str, Timed], repeats: int) -> dict[str, float]:
    """Median CPU seconds per variant; the variants take turns, so that a slow minute hits all of them."""
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(repeats):
        for name, run in variants.items():
            start = time.process_time()
            run()
            seconds[name].append(time.process_time() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def measure(residues: int, tied: bool, repeats: int) -> dict[str, object]:
    """Compare each metric with its peer on one set of scores."""
    inputs = scored(residues, tied)
    narrow = inputs.probabilities.astype(np.float32)
    pairs: dict[str, tuple[Metric, Timed]] = {
        "auprc": (Auprc(NoOptions()), lambda: average_precision_score(inputs.labels, narrow)),
        "auroc": (Auroc(NoOptions()), lambda: roc_auc_score(inputs.labels, narrow)),
        "hra": (Hra(HraOptions()), lambda: sklearn_hra(inputs.labels, narrow)),
    }
    report: dict[str, object] = {"residues": residues, "distinct_scores": int(np.unique(narrow).size)}
    for name, (ours, peer) in pairs.items():
        gap = abs(ours(inputs).value - peer())
        if gap > 1e-12:
            raise SystemExit(f"{name}: {gap:.3g} away from scikit-learn; not timing a wrong number")
        timed = cpu_seconds({"e1bind": lambda ours=ours: ours(inputs).value, "scikit-learn": peer}, repeats)
        report[name] = {
            "e1bind_cpu_s": round(timed["e1bind"], 3),
            "scikit_learn_cpu_s": round(timed["scikit-learn"], 3),
            "ratio": round(timed["scikit-learn"] / timed["e1bind"], 1),
            "difference": gap,
        }
    search = cpu_seconds({"mcc": lambda: choose_threshold(narrow, inputs.labels, "mcc").value}, repeats)
    report["choose_threshold_cpu_s"] = round(search["mcc"], 3)
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--residues", type=int, default=10_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    for tied in (False, True):
        print(json.dumps(measure(arguments.residues, tied, arguments.repeats)))


if __name__ == "__main__":
    main()
