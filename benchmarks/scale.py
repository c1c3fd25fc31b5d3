"""A table of half a million chains: what reading, counting and folding it costs, and what its processes share.

    python -m benchmarks scale [--chains 500000] [--kinds labels.parquet ...]

A process of its own takes each step once; CPU seconds of all its threads, and the most memory it had above what it
had when all was imported, beside the bytes of sequences and labels. Then a table is shared: by two forked workers,
and by two processes that map it. All make every record; what counts is the memory that each has of its own. The
folds of every form of the table hold the same chains, or nothing is told.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from pathlib import Path

from benchmarks._benchmark import HERE, Benchmark, Figures, Table
from benchmarks._scale_tables import KINDS, write_spec, write_tables

STEPS = ("read and check", "count", "fold")


def run(options: Namespace) -> Figures:
    """Seconds and peak memory of each step by form of the table, with a file of groups and without."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        raw = write_tables(folder, options.chains)
        rows: dict[str, Figures] = {}
        for groups in ("groups", "no groups"):
            found = {kind: _steps(write_spec(folder, kind, groups == "groups")) for kind in options.kinds}
            if len({one.pop("folds") for one in found.values()}) > 1:
                raise SystemExit(f"forms of one table are folded in different ways ({groups}); nothing is told")
            rows |= {f"{kind}, {groups}": one for kind, one in found.items()}
    return {"chains": options.chains, "sequences and labels MB": round(raw / 1e6, 1), "tables": rows}


def _steps(spec: Path) -> Figures:
    command = [sys.executable, "-m", "benchmarks._scale_steps", str(spec)]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=HERE.parent).stdout
    found: Figures = json.loads(printed.splitlines()[-1])
    return found


def tables(found: Figures) -> list[Table]:
    """One, a row for each table."""
    shared = next(iter(found["tables"].values()))["shared"]
    columns = ["table", *(f"{step}, CPU s" for step in STEPS), "peak, MB", "kept, MB", *shared]
    rows = [
        [
            name, *(one[step]["s"] for step in STEPS), max(one[step]["peak MB"] for step in STEPS), one["kept MB"],
            *one["shared"].values(),
        ]
        for name, one in found["tables"].items()
    ]  # fmt: skip
    title = f"{found['chains']:,} chains, {found['sequences and labels MB']} MB of sequences and labels"
    return [Table(title, columns, rows)]


def options(parser: ArgumentParser) -> None:
    """Its own."""
    parser.add_argument("--chains", type=int, default=500_000)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))


BENCHMARK = Benchmark(run, tables, options, ["--chains", "300", "--kinds", "labels.parquet"])
