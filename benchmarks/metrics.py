"""AUPRC, AUROC and HRA of many residues against scikit-learn.

    python -m benchmarks metrics [--residues 10_000_000]

Parity with scikit-learn (1e-12) is asserted before anything is timed. Two sets of scores are measured: all
different, and rounded to four digits so that most are tied.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable

import numpy as np
from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_auc_score

from benchmarks._benchmark import Benchmark, Cell, Figures, Table
from benchmarks._harness import medians, ratio, rounded, rounds, seconds
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


def of(metric: Metric, inputs: MetricInputs) -> Timed:
    """Our way."""
    return lambda: float(metric(inputs).value)


def measure(residues: int, tied: bool, repeats: int) -> Figures:
    """Compare each metric with its peer on one set of scores."""
    inputs = scored(residues, tied)
    narrow = inputs.probabilities.astype(np.float32)
    pairs: dict[str, tuple[Timed, Timed]] = {
        "auprc": (of(Auprc(NoOptions()), inputs), lambda: float(average_precision_score(inputs.labels, narrow))),
        "auroc": (of(Auroc(NoOptions()), inputs), lambda: float(roc_auc_score(inputs.labels, narrow))),
        "hra": (of(Hra(HraOptions()), inputs), lambda: sklearn_hra(inputs.labels, narrow)),
    }
    found: Figures = {"distinct_scores": int(np.unique(narrow).size), "metrics": {}}
    for name, (ours, peer) in pairs.items():
        gap = abs(ours() - peer())
        if gap > 1e-12:
            raise SystemExit(f"{name}: {gap:.3g} away from scikit-learn; not timing a wrong number")
        taken = rounds({"e1bind": ours, "scikit-learn": peer}, repeats)
        times = rounded(medians(taken), 4)
        found["metrics"][name] = {**times, "ratio": round(ratio(taken, "scikit-learn", "e1bind"), 1)}
    search = seconds({"mcc": lambda: choose_threshold(narrow, inputs.labels, "mcc").value}, repeats)
    found["choose_threshold_cpu_s"] = round(search["mcc"], 4)
    return found


def run(options: Namespace) -> Figures:
    """Both sets of scores."""
    sets = [measure(options.residues, tied, options.repeats) for tied in (False, True)]
    return {"residues": options.residues, "sets": sets}


def tables(found: Figures) -> list[Table]:
    """One, a row for each metric and set of scores."""
    rows: list[list[Cell]] = []
    for scores in found["sets"]:
        rows += [[name, scores["distinct_scores"], *times.values()] for name, times in scores["metrics"].items()]
        rows.append(["threshold by MCC", scores["distinct_scores"], scores["choose_threshold_cpu_s"], None, None])
    columns = ["CPU s", "distinct scores", "e1bind", "scikit-learn", "ratio"]
    return [Table(f"{found['residues']:,} residues", columns, rows)]


def options(parser: ArgumentParser) -> None:
    """Its own."""
    parser.add_argument("--residues", type=int, default=10_000_000)


BENCHMARK = Benchmark(run, tables, options, quick=["--residues", "5000", "--repeats", "1"])
