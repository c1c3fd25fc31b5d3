"""What a light command costs: CPU time of a process, against importing typer, rich, pydantic and pluggy alone.

    python -m benchmarks startup [--repeats 13]

The variants take turns; medians of the children's user and system time. Nothing is computed that could differ.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from benchmarks._benchmark import Benchmark, Figures, Table
from benchmarks._harness import medians, ratio, rounded

BASE = ["-c", "import typer, rich.table, pluggy; from pydantic import BaseModel"]
ONE_COMMAND = """
import typer, pluggy
from typing import Annotated
app = typer.Typer()
@app.command()
def one(value: Annotated[str, typer.Argument(help="A word.")], number: int = 1): pass
@app.command()
def two(value: str): pass
app(["one", "--help"])
"""
QUICKSTART = str(Path(__file__).parents[1] / "examples" / "quickstart.toml")
VARIANTS = {
    "typer, rich, pydantic, pluggy": BASE,
    "a typer command of its own, --help": ["-c", ONE_COMMAND],
    "e1bind --help": ["-m", "e1bind_cli", "--help"],
    "e1bind list-plugins": ["-m", "e1bind_cli", "list-plugins"],
    "e1bind validate": ["-m", "e1bind_cli", "validate", QUICKSTART],
    "e1bind check-plugin --help": ["-m", "e1bind_cli", "check-plugin", "--help"],
    "e1bind new-plugin --help": ["-m", "e1bind_cli", "new-plugin", "--help"],
    "Python alone": ["-c", ""],
}


def cpu_seconds(arguments: list[str]) -> float:
    """User and system time of a fresh interpreter, which keeps byte code, as a user's does."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def run(options: Namespace) -> Figures:
    """Seconds of each variant, and how many times those of the imports alone."""
    names = options.variants or list(VARIANTS)
    for name in names:  # byte code is written, files are in memory
        cpu_seconds(VARIANTS[name])
    taken: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(options.repeats):
        for name in names:
            taken[name].append(cpu_seconds(VARIANTS[name]))
    over = {name: ratio(taken, name, names[0]) for name in names}
    return {"cpu_s": rounded(medians(taken), 2), "ratio": rounded(over, 2)}


def tables(found: Figures) -> list[Table]:
    """One, a row for each variant."""
    rows = [[name, seconds, found["ratio"][name]] for name, seconds in found["cpu_s"].items()]
    return [Table("A fresh process", ["", "CPU s", "ratio"], rows)]


def options(parser: ArgumentParser) -> None:
    """Its own."""
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, help="ratios are to the first (default: all)")
    parser.set_defaults(repeats=13)


BENCHMARK = Benchmark(run, tables, options, quick=["--variants", "Python alone", "--repeats", "1"])
