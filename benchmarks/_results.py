"""RESULTS.md: prose from `notes/`, tables from the runs saved in `results/`, one section for each, by name."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path

from benchmarks._benchmark import HERE, Benchmark, Figures, listed

NOTES, RUNS, RESULTS = HERE / "notes", HERE / "results", HERE / "RESULTS.md"
HEAD = "_head"
"""The note that comes first and is nobody's."""
PLACE = "<!-- figures -->"
MADE = "<!-- Written by `python -m benchmarks --write-results` of notes/ and results/: edit those. -->"


def save(record: Figures) -> None:
    """Keep a run; the one before is replaced. Files of the machine it ran on are told by their names."""
    RUNS.mkdir(exist_ok=True)
    words = [Path(word).name if Path(word).is_absolute() else word for word in record["command"].split(" ")]
    record = {**record, "command": " ".join(words)}
    (RUNS / f"{record['benchmark']}.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def write() -> None:
    """Compose RESULTS.md anew."""
    RESULTS.write_text(compose(), encoding="utf-8")


def compose() -> str:
    """Contents, then the sections in the order of their headings. A note without a run stands as it is."""
    names = {path.stem for path in NOTES.glob("*.md")} - {HEAD} | {path.stem for path in RUNS.glob("*.json")}
    sections = sorted(map(_section, names), key=_title)
    contents = " · ".join(f"[{_title(one)}](#{_anchor(_title(one))})" for one in sections)
    head = (NOTES / f"{HEAD}.md").read_text(encoding="utf-8").strip()
    return "\n\n".join([MADE, head, contents, *sections]) + "\n"


def _section(name: str) -> str:
    note, run = NOTES / f"{name}.md", RUNS / f"{name}.json"
    text = note.read_text(encoding="utf-8").strip() if note.exists() else f"## {_summary(name)}\n\n{PLACE}"
    if not run.exists():
        return text
    if PLACE not in text:
        raise SystemExit(f"{note} has no line {PLACE} for the figures of {run.name}")
    return text.replace(PLACE, _figures(json.loads(run.read_text(encoding="utf-8"))))


def _summary(name: str) -> str:
    return next(one.summary for one in listed() if one.name == name).rstrip(".")


def _figures(record: Figures) -> str:
    """Where and with what they were measured, and the tables."""
    benchmark: Benchmark = importlib.import_module(f"benchmarks.{record['benchmark']}").BENCHMARK
    machine, threads = record["machine"], record["threads"]
    on = [f"{machine['cpu']}, {machine['cores']} cores ({machine['arch']})", machine["gpu"]]
    packages = [f"{name} {version}" for name, version in record["versions"].items() if version]
    told = [*filter(None, on), f"{threads} thread{'s' * (threads > 1)}", *packages, record["date"]]
    tables = [table.markdown() for table in benchmark.tables(record["figures"])]
    return "\n\n".join([f"`{record['command']}`: {', '.join(told)}.", *tables])


def _title(section: str) -> str:
    return section.partition("\n")[0].removeprefix("## ")


def _anchor(title: str) -> str:
    """As GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
