"""How the benchmarks measure: one thread, CPU time, variants taking turns, medians, ratios, peak memory.

Wall time on a shared machine says little. CPU time of one thread does, and variants that take turns see the same
slow minutes. On a GPU the time comes from CUDA events. Peak memory is the resident set of a process of its own that
runs one variant once.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import torch

from benchmarks._benchmark import HERE, Step

CPU = torch.device("cpu")


def device_option(parser: ArgumentParser) -> None:
    """For a benchmark that also runs on a GPU."""
    parser.add_argument("--device", default="cpu", help="cpu or cuda")


def rounds(variants: Mapping[str, Step], repeats: int, device: torch.device = CPU) -> dict[str, list[float]]:
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


def seconds(variants: Mapping[str, Step], repeats: int, device: torch.device = CPU) -> dict[str, float]:
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


def peak_megabytes(options: Namespace, variants: Iterable[str]) -> dict[str, float]:
    """Peak memory that one run of each variant adds, each in a process of its own with the options of this one."""
    # glibc otherwise keeps freed blocks for later: the resident set would say more than what is alive, and scatter.
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": str(256 * 1024)}
    found = {}
    for variant in variants:
        command = [sys.executable, "-m", "benchmarks", *options.command, "--peak-of", variant]
        done = subprocess.run(
            command, check=True, stdout=subprocess.PIPE, text=True, cwd=HERE.parent, env=environment
        )
        found[variant] = json.loads(done.stdout.splitlines()[-1])
    return found


def peak_of_step(prepare: Callable[[], Step], device: torch.device) -> float:
    """In the process of one variant: the megabytes a run adds to what its inputs and weights take."""
    step = prepare()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        step()
        return round((torch.cuda.max_memory_allocated() - before) / 2**20, 1)
    # Not getrusage: its peak is inherited from the process that started this one, and cannot be set back.
    Path("/proc/self/clear_refs").write_text("5")
    before_kb = _status_kb("VmRSS")
    step()
    return round((_status_kb("VmHWM") - before_kb) / 1024, 1)


def _status_kb(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1])
    raise RuntimeError("this system does not say how much memory a process uses")


def rounded(values: Mapping[str, float], digits: int = 3) -> dict[str, float]:
    """Values for people to read."""
    return {name: round(value, digits) for name, value in values.items()}
