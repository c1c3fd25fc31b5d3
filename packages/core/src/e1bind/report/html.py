"""`report.html`: one file that shows a whole run, with no network, script or font from elsewhere.

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
from e1bind.report.gallery import Picture, file_part, ion_pictures, track_pictures, training_pictures
from e1bind.report.rundata import RunData, read_run

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
    pictures: Sequence[Picture]
    tracks: Sequence[Picture]


def write_report(run_dir: Path) -> Path:
    """Draw the figures of a run into `plots/` and write `report.html`; returns its path. Raises `RunError`."""
    return render(read_run(run_dir))


def render(data: RunData) -> Path:
    """As `write_report`, from what was read already."""
    plots = data.path / "plots"
    summary = data.summary
    monitor = summary.get("monitor")
    training = training_pictures(data.rows, plots, monitor, data.best_epochs)
    page = _template().render(
        version=__version__,
        summary=summary,
        counts=data_table(summary),
        oof_head=["ion", "threshold", *metric_names(summary)],
        oof=oof_table(summary),
        ions=[_ion_section(data, ion, plots) for ion in summary["ions"]],
        training=training,
        spec=data.spec,
        overrides=data.overrides.splitlines(),
        resolved=_pretty(data.resolved),
        environment=_pretty(data.environment),
        plugins=plugin_table(data.plugins),
        has_oof=data.oof is not None,
    )
    target = data.path / "report.html"
    temporary = target.with_name(".report.html.tmp")
    temporary.write_text(page, encoding="utf-8")
    temporary.replace(target)
    return target


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


def metric_names(summary: Mapping[str, Any]) -> list[str]:
    """Names of all metrics of the run, in order."""
    return list(dict.fromkeys(name for row in summary["oof"].values() for name in row["metrics"]))


def data_table(summary: Mapping[str, Any]) -> list[list[str]]:
    """Ion, proteins, residues, binding residues and their share."""
    table = []
    for ion, row in summary["data"].items():
        share = row["positives"] / row["residues"] if row["residues"] else math.nan
        counts = [number(row[key]) for key in ("proteins", "residues", "positives")]
        table.append([ion, *counts, NONE if math.isnan(share) else f"{share:.2%}"])
    return table


def oof_table(summary: Mapping[str, Any]) -> list[list[str]]:
    """Ion, threshold and metrics over all folds."""
    names = metric_names(summary)
    return [
        [ion, number(row.get("threshold")), *(number(row["metrics"].get(name)) for name in names)]
        for ion, row in summary["oof"].items()
    ]


def fold_table(summary: Mapping[str, Any], ion: str) -> list[list[str]]:
    """A row for each fold at its best epoch, then mean and standard deviation over the folds."""
    names = metric_names(summary)
    rows = [row for row in summary["folds"] if row["ion"] == ion]
    table = []
    for row in rows:
        head = [number(row["fold"]), f"{row['best_epoch']} of {row['epochs']}"]
        head += [number(row[key]) for key in ("proteins", "residues", "positives")]
        table.append([*head, *(number(row["metrics"].get(name)) for name in names)])
    values = [[v for row in rows if (v := row["metrics"].get(name)) is not None] for name in names]
    table.append(["mean ± sd", "", "", "", "", *(mean_and_spread(column) for column in values)])
    return table


def mean_and_spread(values: Sequence[float]) -> str:
    """Mean and sample standard deviation; the mean alone of a single value."""
    if not values:
        return NONE
    mean = number(statistics.fmean(values))
    return mean if len(values) == 1 else f"{mean} ± {number(statistics.stdev(values))}"


def _ion_section(data: RunData, ion: str, plots: Path) -> IonSection:
    threshold = data.thresholds.get(ion)
    value = None if threshold is None else float(threshold["threshold"])
    return IonSection(
        name=ion,
        anchor=f"ion-{file_part(ion)}",
        facts=_facts(threshold),
        folds=fold_table(data.summary, ion),
        fold_head=["fold", "best epoch", "proteins", "residues", "binding", *metric_names(data.summary)],
        undefined=data.summary["oof"].get(ion, {}).get("undefined", []),
        pictures=(
            []
            if data.oof is None
            else ion_pictures(data.oof, ion, plots, threshold, None, data.calibration.get(ion), data.measures)
        ),
        tracks=[] if data.oof is None else track_pictures(data.oof, ion, plots, value),
    )


def _facts(threshold: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    if threshold is None:
        return []
    facts = [("threshold", f"{threshold['threshold']:.4g}"), ("maximises", str(threshold.get("method", NONE)))]
    facts += [(str(name), number(value)) for name, value in (threshold.get("metrics") or {}).items()]
    names = {"tp": "right calls", "fp": "wrong calls", "fn": "missed", "tn": "rightly left out"}
    counts = threshold.get("counts") or {}
    return facts + [(label, number(counts[key])) for key, label in names.items() if key in counts]


def _pretty(value: Any) -> str:
    return "" if value is None else json.dumps(value, indent=2, ensure_ascii=False)


def plugin_table(plugins: Mapping[str, Any]) -> list[list[str]]:
    """Path in the spec, component, and the distribution it came from."""
    table = []
    for path, entry in plugins.items():
        origin = " ".join(str(entry[key]) for key in ("distribution", "version") if entry.get(key))
        table.append([path, str(entry.get("component", NONE)), origin or NONE])
    return table
