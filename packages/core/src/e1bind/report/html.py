"""The report: one file that shows a whole run, with no network, script or font from elsewhere.

The template escapes everything that comes from files; a content security policy lets the browser load nothing.
"""

from __future__ import annotations

import base64
import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from e1bind import __version__
from e1bind.files.text import file_part, without_folders
from e1bind.files.writing import atomic_write_text
from e1bind.report.gallery import Picture, baseline_pictures, ion_pictures, track_pictures, training_pictures
from e1bind.report.rundata import RunData, load
from e1bind.runs.schemas import RUN, PluginSource, Summary

NONE = "—"
"""Shown where a number is undefined."""


@dataclass(frozen=True)
class IonSection:
    """One ion's part of the page."""

    name: str
    anchor: str
    facts: Sequence[tuple[str, str]]
    folds: Sequence[Sequence[str]]
    fold_head: Sequence[str]
    undefined: Sequence[str]
    baselines: Sequence[Sequence[str]]
    choices: Sequence[Sequence[str]]
    pictures: Sequence[Picture]
    tracks: Sequence[Picture]


def write_report(run_dir: Path) -> Path:
    """Draw the figures of a run and its report; returns the report's path. Raises `RunError`."""
    return render(load(run_dir))


def render(data: RunData) -> Path:
    """As `write_report`, from what was read already."""
    plots, summary = data.files.plots, data.summary
    training = training_pictures(data.rows, plots, summary.monitor, data.best_epochs)
    page = _template().render(
        version=__version__,
        summary=summary,
        backbone=without_folders(summary.backbone),
        warnings=[without_folders(warning) for warning in summary.warnings],
        counts=data_table(summary),
        oof_head=["ion", "threshold", *summary.metric_names],
        oof=oof_table(summary),
        against_head=["method", "run above it, AUPRC (95 %)", "threshold", *summary.metric_names],
        ions=[_ion_section(data, ion, plots) for ion in summary.ions],
        training=training,
        spec=without_folders(data.spec),
        overrides=without_folders(data.overrides).splitlines(),
        resolved=without_folders(_pretty(data.resolved)),
        environment=without_folders(_pretty(data.environment)),
        plugins=plugin_table(data.plugins),
    )
    atomic_write_text(data.files.report, page)
    return data.files.report


def _template() -> Any:
    environment = Environment(
        loader=PackageLoader("e1bind.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["embedded"] = embedded
    return environment.get_template("report.html.j2")


def embedded(file: Path) -> str:
    """A PNG as a data URL."""
    return f"data:image/png;base64,{base64.b64encode(file.read_bytes()).decode('ascii')}"


def number(value: Any) -> str:
    """Three decimals, two digits for what is smaller, thousands set apart; a dash for what is undefined."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return NONE
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.3f}" if value == 0 or abs(value) >= 0.01 else f"{value:.2g}"
    return str(value)


def data_table(summary: Summary) -> list[list[str]]:
    """Ion, proteins, residues, binding residues and their share."""
    table = []
    for ion, row in summary.data.items():
        share = row.positives / row.residues if row.residues else math.nan
        counts = [number(count) for count in (row.proteins, row.residues, row.positives)]
        table.append([ion, *counts, NONE if math.isnan(share) else f"{share:.2%}"])
    return table


def oof_table(summary: Summary) -> list[list[str]]:
    """Ion, threshold and metrics over all folds."""
    return [
        [ion, number(row.threshold), *(number(row.metrics[name]) for name in summary.metric_names)]
        for ion, row in summary.oof.items()
    ]


def fold_table(summary: Summary, ion: str) -> list[list[str]]:
    """A row for each fold at its best epoch, then mean and standard deviation over the folds."""
    names = summary.metric_names
    rows = [row for row in summary.folds if row.ion == ion]
    table = []
    for row in rows:
        head = [number(row.fold), f"{row.best_epoch} of {row.epochs}"]
        head += [number(count) for count in (row.proteins, row.residues, row.positives)]
        table.append([*head, *(number(row.metrics[name]) for name in names)])
    values = [[row.metrics[name] for row in rows if not math.isnan(row.metrics[name])] for name in names]
    table.append(["mean ± sd", "", "", "", "", *(mean_and_spread(column) for column in values)])
    return table


def baselines_table(summary: Summary, ion: str) -> list[list[str]]:
    """The run and each baseline with all metrics, each at its own threshold; empty for a run without baselines."""
    of, names = summary.oof[ion], summary.metric_names
    if not of.baselines:
        return []
    table = [[RUN, NONE, number(of.threshold), *(number(of.metrics[name]) for name in names)]]
    for label, found in of.baselines.items():
        apart = found.difference
        above = f"{apart.value:+.3f} ({apart.low:+.3f} to {apart.high:+.3f})"
        table.append([label, above, number(found.threshold), *(number(found.metrics[name]) for name in names)])
    return table


def choices_table(summary: Summary, ion: str) -> list[list[str]]:
    """What each method of choosing the threshold comes to out of fold."""
    return [
        [method, *(number(value) for value in (of.threshold, of.precision, of.recall, of.f1, of.mcc))]
        for method, of in summary.oof[ion].choices.items()
    ]


def mean_and_spread(values: Sequence[float]) -> str:
    """Mean and sample standard deviation; the mean alone of a single value."""
    if not values:
        return NONE
    mean = number(statistics.fmean(values))
    return mean if len(values) == 1 else f"{mean} ± {number(statistics.stdev(values))}"


def _ion_section(data: RunData, ion: str, plots: Path) -> IonSection:
    threshold = data.thresholds[ion]
    return IonSection(
        name=ion,
        anchor=f"ion-{file_part(ion)}",
        facts=_facts(threshold),
        folds=fold_table(data.summary, ion),
        fold_head=["fold", "best epoch", "proteins", "residues", "binding", *data.summary.metric_names],
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
    facts = [("threshold", f"{threshold['threshold']:.4g}"), ("maximises", threshold["method"])]
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
