"""Which figures a run gets, under which file names, and what is said under each.

Shape legend: N rows of the out-of-fold table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from e1bind.engine.fit_calibration import cross_fitted_rows
from e1bind.files.text import file_part
from e1bind.metrics.base import why_undefined
from e1bind.metrics.curves import average_precision
from e1bind.metrics.probability_maps import Calibrator
from e1bind.metrics.ranking import rank_counts
from e1bind.report.baselines_figure import methods, plot_baselines
from e1bind.report.curves import plot_precision_recall, plot_roc
from e1bind.report.probabilities import plot_reliability, plot_score_histogram, plot_threshold_curve
from e1bind.report.rundata import DEFAULT_MEASURES, Measures
from e1bind.report.track import plot_residue_track
from e1bind.report.training import Row, plot_losses, plot_metric, plot_metrics, plot_prototypes
from e1bind.runs.oof_table import Table, of_ion_N
from e1bind.runs.schemas import BaselineFigures, Range, Summary

MAX_SITES = 40
"""Most binding residues that are listed under a track."""


@dataclass(frozen=True)
class Picture:
    """A figure on disk, with its heading and a sentence on how to read it."""

    file: Path
    title: str
    caption: str


def of_ion(table: Table, ion: str, fold: int | None = None) -> dict[str, np.ndarray]:
    """The labelled rows of one ion (and fold)."""
    keep_N = of_ion_N(table, ion) & (table["label"] >= 0)
    if fold is not None:
        keep_N &= table["fold"] == fold
    return {name: column[keep_N] for name, column in table.items()}


def training_pictures(
    rows: Sequence[Row],
    folder: Path,
    monitor: str | None,
    best_epochs: Mapping[int, int] | None = None,
    measures: Measures = DEFAULT_MEASURES,
) -> list[Picture]:
    """Losses, metrics and prototype diagnostics over epochs. `measures`: how the run measures what they show."""
    pictures = [
        Picture(
            folder / "losses.png",
            "Losses",
            "Thin lines are single folds and ions, bold ones their mean; a fold that stopped early is in it with "
            "its last value. Validation sees one unmasked view: losses that compare views or predict masked "
            "residues have nothing to measure there.",
        ),
        Picture(folder / "metrics.png", "Metrics of the validation chains", _of_metrics(measures)),
        Picture(
            folder / "prototypes.png",
            "Prototype diagnostics",
            "Most residues do not bind, so the mean over all of them follows those that do not. Binding residues "
            "should stay close to their prototype while the others move away.",
        ),
    ]
    plot_losses(rows, pictures[0].file)
    plot_metrics(rows, pictures[1].file, measures.calls_from)
    plot_prototypes(rows, pictures[2].file)
    if monitor is not None:
        file = folder / f"monitor_{file_part(monitor)}.png"
        plot_metric(rows, monitor, file, best_epochs, measures.calls_from)
        caption = "Dots mark the best epoch of each fold: the highest mean over ions (lowest, for an error)."
        pictures.insert(1, Picture(file, f"Monitored metric: {monitor}", caption))
    return pictures


def _of_metrics(measures: Measures) -> str:
    calls = (
        " While a run trains no threshold is chosen yet: calls begin at the probability in the title (f1 at 0.5), "
        "in the tables at each ion's global threshold."
    )
    return f"Every metric that was computed.{calls if measures.calls_from else ''}"


def baseline_picture(
    ion: str, run: Range, baselines: Mapping[str, BaselineFigures], folder: Path, caption: str
) -> Picture:
    """AUPRC of the run beside that of its baselines."""
    picture = Picture(folder / f"baselines_{file_part(ion)}.png", f"{ion}: beside what is had for nothing", caption)
    plot_baselines(methods(run, baselines), picture.file)
    return picture


def baseline_pictures(summary: Summary, ion: str, folder: Path) -> list[Picture]:
    """The run beside its baselines; nothing for a run without them."""
    of = summary.oof[ion]
    if of.auprc is None or not of.baselines:
        return []
    caption = (
        "Out of fold, on the same residues. The run is worth its cost where the paired difference, with its 95 % "
        "interval over proteins, lies above 0."
    )
    return [baseline_picture(ion, of.auprc, of.baselines, folder, caption)]


def ion_pictures(
    table: Table,
    ion: str,
    folder: Path,
    threshold: Mapping[str, Any] | None,
    fold: int | None = None,
    calibrator: Calibrator | None = None,
    measures: Measures = DEFAULT_MEASURES,
) -> list[Picture]:
    """Curves and probabilities of one ion's out-of-fold predictions, or of one fold of them.

    With a `calibrator` the reliability diagram of all folds also shows it, each fold by a map of the others.
    `measures`: how the run measures what they show.
    """
    rows = of_ion(table, ion, fold)
    p_N, y_N = rows["probability"], rows["label"]
    of_folds = rows["fold"] if fold is None else None
    value = None if threshold is None else float(threshold["threshold"])
    method = "" if threshold is None else str(threshold.get("method", ""))
    name = file_part(ion)

    pictures = [
        Picture(
            folder / f"pr_{name}.png",
            f"{ion}: precision and recall",
            f"The filled part of the band over recall {measures.min_recall:g} and above is the HRA.",
        ),
        Picture(
            folder / f"roc_{name}.png",
            f"{ion}: ROC",
            "Where positives are rare this looks good for almost any model; judge by precision and recall.",
        ),
        Picture(
            folder / f"reliability_{name}.png",
            f"{ion}: reliability",
            "Below the diagonal: more confident than right. The lower panel counts the residues of each bin.",
        ),
        Picture(
            folder / f"threshold_{name}.png",
            f"{ion}: choice of the threshold",
            "A residue is called where its probability is at or above the threshold.",
        ),
        Picture(
            folder / f"scores_{name}.png",
            f"{ion}: probabilities by class",
            "Counts on a logarithmic axis: there are many more residues that do not bind.",
        ),
    ]
    plot_precision_recall(p_N, y_N, pictures[0].file, of_folds, measures.min_recall)
    plot_roc(p_N, y_N, pictures[1].file, of_folds)
    reliability = {"as predicted": (p_N, y_N)}
    if calibrator is not None and fold is None:
        calibrated_N = cross_fitted_rows(table, ion, calibrator)
        reliability[f"{calibrator.method}, fitted on the other folds"] = (calibrated_N, y_N)
    plot_reliability(reliability, pictures[2].file, measures.bins)
    plot_threshold_curve(p_N, y_N, pictures[3].file, value, method)
    plot_score_histogram(p_N, y_N, pictures[4].file, value)
    return pictures


def track_pictures(
    table: Table, ion: str, folder: Path, threshold: float | None, held_out: bool = True
) -> list[Picture]:
    """The proteins with the best, the median and the worst average precision of an ion, residue by residue.

    `held_out`: the table is that of a training, whose folds held chains out.
    """
    keep_N = of_ion_N(table, ion)
    rows = {name: column[keep_N] for name, column in table.items()}
    pictures = []
    for rank, (protein, precision) in _examples(rows).items():
        inside = np.flatnonzero(rows["protein"] == protein)
        inside = inside[np.argsort(rows["residue_index"][inside], kind="stable")]
        chain = {name: column[inside] for name, column in rows.items()}
        file = folder / f"track_{file_part(ion)}_{file_part(protein)}.png"
        sequence = "".join(chain["amino_acid"])
        plot_residue_track(chain["probability"], chain["label"], file, threshold, sequence)
        caption = f"{rank} average precision of all chains: {precision:.3f}. {_sites(chain, threshold)}"
        where = f", held out in fold {chain['fold'][0]}" if held_out else ""
        pictures.append(Picture(file, f"{protein} ({ion}){where}", caption))
    return pictures


def _examples(rows: Mapping[str, np.ndarray]) -> dict[str, tuple[str, float]]:
    """ "Best", "Median", "Worst" -> protein and its average precision; fewer where there are fewer proteins."""
    known_N = rows["label"] >= 0
    if not known_N.any():
        return {}
    proteins, index_N = np.unique(rows["protein"][known_N], return_inverse=True)
    order_N = np.argsort(index_N, kind="stable")
    p_N, y_N = rows["probability"][known_N][order_N], rows["label"][known_N][order_N]
    cuts = np.searchsorted(index_N[order_N], np.arange(1, proteins.size))
    scored = [
        (average_precision(rank_counts(p, y)), str(protein))
        for protein, p, y in zip(proteins, np.split(p_N, cuts), np.split(y_N, cuts), strict=True)
        if why_undefined(p, y) is None
    ]
    scored.sort(reverse=True)
    places = {"Best": 0, "Median": len(scored) // 2, "Worst": len(scored) - 1}
    chosen: dict[str, tuple[str, float]] = {}
    for rank, place in places.items():
        if scored and scored[place][1] not in {protein for protein, _ in chosen.values()}:
            chosen[rank] = (scored[place][1], scored[place][0])
    return chosen


def _sites(chain: Mapping[str, np.ndarray], threshold: float | None) -> str:
    binds = chain["label"] == 1
    letters, numbers = chain["amino_acid"][binds], chain["residue_index"][binds] + 1
    names = [f"{letter}{number}" for letter, number in zip(letters, numbers, strict=True)]
    more = "" if len(names) <= MAX_SITES else f" and {len(names) - MAX_SITES} more"
    listed = f"Binding residues: {', '.join(names[:MAX_SITES])}{more}."
    if threshold is None:
        return listed
    called = chain["probability"] >= np.float64(threshold)
    wrong = int((called & (chain["label"] == 0)).sum())
    return f"{listed} Called: {int((called & binds).sum())} of {len(names)}, and {wrong} that do not bind."
