"""The report: one page that shows a whole run."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e1bind import __version__
from e1bind.files.text import file_part, without_folders
from e1bind.files.writing import atomic_write_text
from e1bind.metrics.thresholds import threshold_text
from e1bind.report.baselines_figure import apart_text
from e1bind.report.gallery import baseline_pictures, ion_pictures, track_pictures, training_pictures
from e1bind.report.page import NONE, Grid, IonSection, between, made_by, mean_and_spread, number, template
from e1bind.report.rundata import RunData, load
from e1bind.runs.schemas import RUN, PluginSource, Summary


@dataclass(frozen=True)
class TrainedIon(IonSection):
    """One ion's part of the page, with its folds and what other thresholds would cost."""

    folds: Grid
    undefined: Sequence[str]
    choices: Grid | None


def write_report(run_dir: Path) -> Path:
    """Draw the figures of a run and its report; returns the report's path. Raises `RunError`."""
    return render(load(run_dir))


def render(data: RunData) -> Path:
    """As `write_report`, from what was read already."""
    plots, summary = data.files.plots, data.summary
    training = training_pictures(data.rows, plots, summary.monitor, data.best_epochs, data.measures)
    commands = dict.fromkeys(record.command for record in data.sessions if record.command is not None)
    page = template("report.html.j2").render(
        version=__version__,
        title=summary.run_id,
        summary=summary,
        backbone=without_folders(summary.backbone),
        made=made_by(data.sessions, data.environment),
        commands=[without_folders(command) for command in commands],
        warnings=[without_folders(warning) for warning in summary.warnings],
        counts=data_table(summary),
        oof=oof_table(summary),
        ions=[_ion_section(data, ion, plots) for ion in summary.ions],
        training=training,
        spec=without_folders(data.spec),
        overrides=without_folders(data.overrides).splitlines(),
        resolved=without_folders(_pretty(data.resolved)),
        environment=without_folders(_pretty(data.environment)),
        plugins=Grid(["in the spec", "component", "from"], plugin_table(data.plugins)),
    )
    atomic_write_text(data.files.report, page)
    return data.files.report


def data_table(summary: Summary) -> Grid:
    """Ion, proteins, residues, binding residues and their share."""
    table = []
    for ion, row in summary.data.items():
        share = row.positives / row.residues if row.residues else math.nan
        counts = [number(count) for count in (row.proteins, row.residues, row.positives)]
        table.append([ion, *counts, NONE if math.isnan(share) else f"{share:.2%}"])
    return Grid(["ion", "proteins", "residues", "binding", "share"], table)


def oof_table(summary: Summary) -> Grid:
    """Threshold and metrics over all folds, a column for each ion."""
    names = summary.metric_names
    intervals = any(row.auprc is not None and not math.isnan(row.auprc.low) for row in summary.oof.values())
    columns = [["threshold", *(["auprc, 95 % over proteins"] if intervals else []), *names]]
    for row in summary.oof.values():
        auprc = NONE if row.auprc is None else between(row.auprc.low, row.auprc.high)
        figures = [number(row.metrics[name]) for name in names]
        columns.append([threshold_text(row.threshold), *([auprc] if intervals else []), *figures])
    return Grid.of_columns(["", *summary.oof], columns)


def fold_table(summary: Summary, ion: str) -> Grid:
    """A column for each fold at its best epoch, mean and standard deviation over them, and all folds together."""
    names = summary.metric_names
    rows = [row for row in summary.folds if row.ion == ion]
    columns = [["best epoch", "proteins", "residues", "binding", *names]]
    for row in rows:
        counts = [number(count) for count in (row.proteins, row.residues, row.positives)]
        figures = [number(row.metrics[name]) for name in names]
        columns.append([f"{row.best_epoch} of {row.epochs}", *counts, *figures])
    values = [[row.metrics[name] for row in rows if not math.isnan(row.metrics[name])] for name in names]
    columns.append(["", "", "", "", *(mean_and_spread(value) for value in values)])
    whole, metrics = summary.data[ion], summary.oof[ion].metrics
    counts = [number(count) for count in (whole.proteins, whole.residues, whole.positives)]
    columns.append(["", *counts, *(number(metrics[name]) for name in names)])
    return Grid.of_columns(["", *(f"fold {row.fold}" for row in rows), "mean ± sd", "all folds"], columns)


def baselines_table(summary: Summary, ion: str) -> Grid | None:
    """The run and each baseline with all metrics, each at its own threshold; None for a run without baselines."""
    of, names = summary.oof[ion], summary.metric_names
    if not of.baselines:
        return None
    columns = [["run above it, AUPRC (95 %)", "threshold", *names]]
    columns.append([NONE, threshold_text(of.threshold), *(number(of.metrics[name]) for name in names)])
    for found in of.baselines.values():
        figures = [number(found.metrics[name]) for name in names]
        columns.append([apart_text(found.difference), threshold_text(found.threshold), *figures])
    return Grid.of_columns(["", RUN, *of.baselines], columns)


def choices_table(summary: Summary, ion: str) -> Grid | None:
    """What each method of choosing the threshold comes to out of fold; None where that was not kept."""
    rows = [
        [method, threshold_text(of.threshold), *map(number, (of.precision, of.recall, of.f1, of.mcc))]
        for method, of in summary.oof[ion].choices.items()
    ]
    return Grid(["maximises", "threshold", "precision", "recall", "F1", "MCC"], rows) if rows else None


def _ion_section(data: RunData, ion: str, plots: Path) -> TrainedIon:
    threshold = data.thresholds[ion]
    return TrainedIon(
        name=ion,
        anchor=f"ion-{file_part(ion)}",
        facts=_facts(threshold),
        folds=fold_table(data.summary, ion),
        undefined=data.summary.oof[ion].undefined,
        baselines=baselines_table(data.summary, ion),
        choices=choices_table(data.summary, ion),
        pictures=[
            *baseline_pictures(data.summary, ion, plots),
            *ion_pictures(data.oof, ion, plots, threshold, None, data.calibrator, data.measures),
        ],
        tracks=track_pictures(data.oof, ion, plots, float(threshold["threshold"])),
    )


def _facts(threshold: Mapping[str, Any]) -> list[tuple[str, str]]:
    facts = [("threshold", threshold_text(float(threshold["threshold"]))), ("maximises", threshold["method"])]
    facts += [(name, number(value)) for name, value in threshold["metrics"].items()]
    names = {"tp": "right calls", "fp": "wrong calls", "fn": "missed", "tn": "rightly left out"}
    counts = threshold["counts"]
    return facts + [(label, number(counts[key])) for key, label in names.items() if key in counts]


def _pretty(value: Any) -> str:
    return "" if value is None else json.dumps(value, indent=2, ensure_ascii=False)


def plugin_table(plugins: Mapping[str, PluginSource]) -> list[list[str]]:
    """Path in the spec, component, and the distribution it came from."""
    return [
        [path, source.component, f"{source.distribution} {source.version}".strip() or NONE]
        for path, source in plugins.items()
    ]
