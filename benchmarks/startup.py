"""What a light command costs: CPU time of a process, against importing typer, rich, pydantic and pluggy alone.

    python benchmarks/startup.py [ROUNDS]

The variants take turns; medians of the children's user and system time.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys

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
VARIANTS = {
    "typer, rich, pydantic, pluggy": BASE,
    "a typer command of its own, --help": ["-c", ONE_COMMAND],
    "e1bind --help": ["-m", "e1bind_cli", "--help"],
    "e1bind list-plugins": ["-m", "e1bind_cli", "list-plugins"],
    "e1bind check-plugin --help": ["-m", "e1bind_cli", "check-plugin", "--help"],
    "e1bind new-plugin --help": ["-m", "e1bind_cli", "new-plugin", "--help"],
}


def cpu_seconds(arguments: list[str]) -> float:
    """User and system time of a fresh interpreter."""
    before = os.times()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def main(rounds: int) -> None:
    for arguments in VARIANTS.values():  # byte code is written, files are in memory
        cpu_seconds(arguments)
    times: dict[str, list[float]] = {name: [] for name in VARIANTS}
    for _ in range(rounds):
        for name, arguments in VARIANTS.items():
            times[name].append(cpu_seconds(arguments))
    base = statistics.median(times[next(iter(VARIANTS))])
    for name, seconds in times.items():
        middle = statistics.median(seconds)
        print(f"{name:36} {middle:6.2f} s  {middle / base:5.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
