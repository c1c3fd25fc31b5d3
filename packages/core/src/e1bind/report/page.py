"""What the pages of a report share: templates, and values as they are shown.

A page is one file with no network, script or font from elsewhere. The templates escape everything that comes from
files; a content security policy lets the browser load nothing.
"""

from __future__ import annotations

import base64
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from e1bind.files.writing import just_written
from e1bind.report.gallery import Picture
from e1bind.runs.sessions import SessionRecord

NONE = "—"
"""Shown where a number is undefined."""


@dataclass(frozen=True)
class Grid:
    """A table whose rows have names: metrics, mostly, so that it grows downwards and not out of the page."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    @classmethod
    def of_columns(cls, head: Sequence[str], columns: Sequence[Sequence[str]]) -> Grid:
        """From the columns, the first of which names the rows."""
        return cls(head, list(zip(*columns, strict=True)))


@dataclass(frozen=True)
class IonSection:
    """What the part of one ion has on every page."""

    name: str
    anchor: str
    facts: Sequence[tuple[str, str]]
    baselines: Grid | None
    pictures: Sequence[Picture]
    tracks: Sequence[Picture]


def template(name: str) -> Any:
    """A template of this room."""
    environment = Environment(
        loader=PackageLoader("e1bind.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["embedded"] = embedded
    return environment.get_template(name)


def embedded(file: Path) -> str:
    """A PNG as a data URL."""
    return f"data:image/png;base64,{base64.b64encode(just_written(file).read_bytes()).decode('ascii')}"


def number(value: Any) -> str:
    """Three decimals, two digits for what is smaller, thousands set apart; a dash for what is undefined."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return NONE
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.3f}" if value == 0 or abs(value) >= 0.01 else f"{value:.2g}"
    return str(value)


def between(low: float, high: float) -> str:
    """An interval; a dash where there is none."""
    return NONE if math.isnan(low) else f"{number(low)} to {number(high)}"


def mean_and_spread(values: Sequence[float]) -> str:
    """Mean and sample standard deviation; the mean alone of a single value."""
    if not values:
        return NONE
    mean = number(statistics.fmean(values))
    return mean if len(values) == 1 else f"{mean} ± {number(statistics.stdev(values))}"


def duration(seconds: float) -> str:
    """A time for people, such as `2 h 5 min`."""
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    if hours:
        return f"{hours:,} h {minutes} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"


def made_by(sessions: Sequence[SessionRecord], environment: Any) -> list[tuple[str, str]]:
    """When and on what a run was trained, and with which versions, as far as that is known."""
    facts = []
    if sessions:
        facts.append(("begun", sessions[0].started.replace("T", " ").replace("+00:00", " UTC")))
        known = [record.seconds for record in sessions if record.seconds is not None]
        killed = len(sessions) - len(known)
        more = f" and {killed} that ended without a word" if killed else ""
        of = f" in {len(known)} sessions{more}" if len(sessions) > 1 else ""
        facts.append(("trained for", f"{duration(math.fsum(known))}{of}" if known else NONE))
        devices = dict.fromkeys(_on(record) for record in sessions)
        facts.append(("device", "; ".join(devices)))
    if isinstance(environment, dict):
        packages = environment.get("packages")
        for name in ("e1bind-core", "torch", "transformers", "peft"):
            if isinstance(packages, dict) and name in packages:
                facts.append((name.removesuffix("-core"), str(packages[name])))
        facts.append(("Python", str(environment.get("python", NONE))))
    return facts


def _on(record: SessionRecord) -> str:
    return record.device if record.processes == 1 else f"{record.processes} x {record.device}"
