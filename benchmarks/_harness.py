"""How the benchmarks measure: one thread, CPU time, variants taking turns, medians, ratios, JSON.

Wall time on a shared machine says little. CPU time of one thread does, and variants that take turns see the same
slow minutes. On a GPU the time comes from CUDA events. Peak memory is the resident set of a process of its own that
runs one variant once. Import this module before torch.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from rich import box
from rich.console import Console
from rich.table import Table

Step = Callable[[], object]


def arguments(description: str) -> argparse.ArgumentParser:
    """The options every benchmark has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--repeats", type=int, default=3, help="timed rounds; the median counts")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    parser.add_argument("--no-memory", action="store_true", help="leave the peak-memory runs out")
    parser.add_argument("--peak-of", help=argparse.SUPPRESS)
    return parser


def start(options: argparse.Namespace) -> torch.device:
    """Set the number of threads; return the device."""
    torch.set_num_threads(options.threads)
    return torch.device(options.device)


def rounds(variants: Mapping[str, Step], repeats: int, device: torch.device) -> dict[str, list[float]]:
    """Seconds of each variant in each round, after one untimed; the variants take turns."""
    taken: dict[str, list[float]] = {name: [] for name in variants}
    for step in variants.values():
        step()
    for _ in range(repeats):
        for name, step in variants.items():
            taken[name].append(_time(step, device))
    return taken


def medians(taken: Mapping[str, list[float]]) -> dict[str, float]:
    """Of all rounds."""
    return {name: statistics.median(values) for name, values in taken.items()}


def ratio(taken: Mapping[str, list[float]], of: str, to: str) -> float:
    """The median of the ratios of single rounds: a slow minute slows both sides of them."""
    return statistics.median(one / other for one, other in zip(taken[of], taken[to], strict=True))


def seconds(variants: Mapping[str, Step], repeats: int, device: torch.device) -> dict[str, float]:
    """Median seconds of each variant."""
    return medians(rounds(variants, repeats, device))


def _time(step: Step, device: torch.device) -> float:
    if device.type != "cuda":
        begin = time.process_time()
        step()
        return time.process_time() - begin
    first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    first.record()
    step()
    last.record()
    torch.cuda.synchronize()
    return first.elapsed_time(last) / 1e3


def peak_megabytes(script: str, names: Mapping[str, Any], extra: list[str] | None = None) -> dict[str, float]:
    """Peak memory that one run of each variant adds, each in a process of its own."""
    found = {}
    for name in names:
        command = [sys.executable, script, "--peak-of", name, *(extra or [])]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        found[name] = json.loads(printed.splitlines()[-1])
    return found


def print_peak(prepare: Callable[[], Step], device: torch.device) -> None:
    """In the process of one variant: print the megabytes a run adds to what its inputs and weights take."""
    step = prepare()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        step()
        print(json.dumps(round((torch.cuda.max_memory_allocated() - before) / 2**20, 1)))
        return
    # Not getrusage: its peak is inherited from the process that started this one, and cannot be set back.
    Path("/proc/self/clear_refs").write_text("5")
    before_kb = _status_kb("VmRSS")
    step()
    print(json.dumps(round((_status_kb("VmHWM") - before_kb) / 1024, 1)))


def _status_kb(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1])
    raise RuntimeError("this system does not say how much memory a process uses")


def finish(result: dict[str, Any], options: argparse.Namespace) -> None:
    """Print the result with the machine's facts as JSON, and write it where asked."""
    gpu = torch.cuda.get_device_name() if options.device.startswith("cuda") else None
    machine = {"cpu_count": os.cpu_count(), "arch": platform.machine(), "gpu": gpu}
    versions = {"torch": torch.__version__, "python": platform.python_version()}
    text = json.dumps({**result, "threads": options.threads, "machine": machine, "versions": versions}, indent=2)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")


def print_table(title: str, columns: list[str], rows: list[list[object]]) -> None:
    """To standard error, beside the JSON on standard output."""
    table = Table(title=title, box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, justify="left" if column == columns[0] else "right")
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    Console(stderr=True).print(table)


def rounded(values: Mapping[str, float], digits: int = 3) -> dict[str, float]:
    """Values for people to read."""
    return {name: round(value, digits) for name, value in values.items()}
