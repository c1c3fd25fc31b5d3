"""The page of an evaluation on test chains, and its figures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from e1bind import __version__
from e1bind.files.text import file_part, without_folders
from e1bind.files.writing import output_text
from e1bind.inference.evaluate import Evaluation, IonResult, table_of
from e1bind.metrics.resampling import COVERAGE
from e1bind.metrics.thresholds import threshold_text
from e1bind.report.baselines_figure import apart_text
from e1bind.report.gallery import Picture, baseline_picture, ion_pictures, of_ion, track_pictures
from e1bind.report.interval_figures import Bar, plot_intervals
from e1bind.report.page import NONE, Grid, IonSection, between, number, template
from e1bind.report.probabilities import plot_reliability
from e1bind.report.rundata import Measures, measures
from e1bind.runs.oof_table import Table
from e1bind.runs.result_dirs import EvaluationDir
from e1bind.runs.schemas import RUN
from e1bind.runs.sessions import own_command


@dataclass(frozen=True)
class TestedIon(IonSection):
    """One ion's part of the page, and why metrics have no value or interval."""

    metrics: Grid
    reasons: Sequence[str]


def draw_evaluation(evaluation: Evaluation, folder: EvaluationDir, data: str) -> Path:
    """Draw the figures of an evaluation and its page into `folder`; the page's path. `data` names the test file."""
    run, table = evaluation.run, table_of(evaluation)
    how = measures(run.stored.resolved)
    page = template("evaluation.html.j2").render(
        version=__version__,
        title=f"{run.files.run_id} on {data}",
        backbone=without_folders(run.summary.backbone),
        made=[
            ("evaluated", datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")),
            ("folds", str(len(run.folds))),
            ("intervals", f"{COVERAGE:.0%} over proteins, {evaluation.resamples:,} draws, seed {evaluation.seed}"),
            ("e1bind", __version__),
        ],
        commands=[without_folders(command) for command in [own_command()] if command is not None],
        random_weights=run.summary.random_weights,
        warnings=[without_folders(warning) for warning in evaluation.warnings],
        ions=[_section(evaluation, result, folder.path, table, how) for result in evaluation.ions],
    )
    output_text(folder.page, page)
    return folder.page


def _section(evaluation: Evaluation, result: IonResult, folder: Path, table: Table, how: Measures) -> TestedIon:
    counts = result.counts
    facts = [
        ("chains", number(len(result.predictions))),
        ("residues", number(counts.tp + counts.fp + counts.fn + counts.tn)),
        ("binding", number(counts.tp + counts.fn)),
        ("threshold", threshold_text(result.threshold)),
        ("right calls", number(counts.tp)),
        ("wrong calls", number(counts.fp)),
        ("missed", number(counts.fn)),
    ]
    return TestedIon(
        name=result.ion,
        anchor=f"ion-{file_part(result.ion)}",
        facts=facts,
        metrics=_metrics(evaluation, result),
        reasons=sorted({found.reason for found in result.metrics.values() if found.reason}),
        baselines=_baselines(result),
        pictures=_pictures(evaluation, result, folder, table, how),
        tracks=track_pictures(table, result.ion, folder, result.threshold, held_out=False),
    )


def _metrics(evaluation: Evaluation, result: IonResult) -> Grid:
    oof = evaluation.run.summary.oof[result.ion].metrics
    rows = [
        [name, number(found.value), between(found.low, found.high), number(oof.get(name))]
        for name, found in result.metrics.items()
    ]
    return Grid(["", "test", "95 % over proteins", "out of fold"], rows)


def _baselines(result: IonResult) -> Grid | None:
    if result.judged is None:
        return None
    run = result.judged.auprc
    rows = [[RUN, number(run.value), between(run.low, run.high), NONE]]
    for name, found in result.judged.baselines.items():
        own = found.auprc
        rows.append([name, number(own.value), between(own.low, own.high), apart_text(found.difference)])
    return Grid(["", "AUPRC", "95 % over proteins", "run above it (95 %)"], rows)


def _pictures(
    evaluation: Evaluation, result: IonResult, folder: Path, table: Table, how: Measures
) -> list[Picture]:
    run, ion = evaluation.run, result.ion
    oof = run.summary.oof[ion].metrics
    bars = [
        Bar(name, found.value, found.low, found.high, oof.get(name, math.nan))
        for name, found in result.metrics.items()
    ]
    words = "With 95 % intervals over proteins, beside the value of the same metric out of fold."
    pictures = [Picture(folder / f"metrics_{file_part(ion)}.png", f"{ion}: metrics on the test chains", words)]
    plot_intervals(bars, pictures[0].file)
    if (judged := result.judged) is not None:
        words = "AUPRC on the same residues, with 95 % intervals over proteins."
        pictures.append(baseline_picture(ion, judged.auprc, judged.baselines, folder, words))
    threshold = {"threshold": result.threshold, "method": run.spec.metrics.threshold_method}
    pictures += ion_pictures(table, ion, folder, threshold, fold=0, measures=how)
    if (calibration := run.calibrations.get(ion)) is not None:
        rows = of_ion(table, ion)
        series = {
            "as predicted": (rows["probability"], rows["label"]),
            "calibrated on out-of-fold predictions": (calibration.apply(rows["probability"]), rows["label"]),
        }
        plot_reliability(series, folder / f"reliability_{file_part(ion)}.png", how.bins)
    return pictures
