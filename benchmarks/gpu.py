"""A GPU in one call: every GPU path checked against the CPU, then what training costs at the published shapes.

    python -m benchmarks.gpu [--minutes 8] [--only NAME ...] [--out FILE.json] [--device auto] [--quick]

For a machine that may have nothing of the project installed and no network: torch, transformers, peft and what else
the packages import are all it takes. Checks come first, then timings in the order of their worth. Each part has a
budget of seconds, and one that no longer fits into the minutes is "not reached". The JSON is written after every
part, so that a call that is killed leaves what it had. Exit code 1 where a part failed. NT-Xent's kernel is timed,
and part of the steps, where `fused` has passed in the same call.

Without a GPU checks run at toy size, and timings only with `--quick`, to see that they run, not for their figures.

    checks   slices, model, loss-values, nt-xent, varlen, fused, memory, flex, nccl, resume, flex-compiled
    timings  products, step, losses, attention, views, precision; "step:e1-150m" is one of several
"""

from __future__ import annotations

import sys
from pathlib import Path

# On a bare machine the packages are not installed.
sys.path.extend(str(source) for source in Path(__file__).resolve().parents[1].glob("packages/*/src"))

# Before torch: it notes when the process began.
from benchmarks._gpu_report import Figures, Part, Report

# isort: split
import argparse
import math
import os
import tempfile
from collections.abc import Sequence
from functools import partial

import torch

from benchmarks import _gpu_attention, _gpu_checks, _gpu_runs, _gpu_times
from benchmarks._gpu_bench import Bench
from benchmarks._machine import PACKAGES, machine, versions

ALONE = "needs a GPU; without one, its checks at toy size"


def checks(bench: Bench, beside: _gpu_runs.Beside) -> list[Part]:
    """All of them. What compiles for long comes last; what runs in other processes is waited for just before."""
    return [
        Part("slices", 4, partial(_gpu_attention.slices, bench)),
        Part("model", 6, partial(_gpu_checks.model, bench)),
        Part("loss-values", 3, partial(_gpu_checks.losses, bench)),
        Part("nt-xent", 4, partial(_gpu_checks.nt_xent, bench)),
        Part("varlen", 3, partial(_gpu_attention.varlen, bench)),
        Part("fused", 8, partial(_gpu_checks.fused, bench)),
        Part("memory", 4, partial(_gpu_checks.memory, bench)),
        Part("flex", 5, partial(_gpu_attention.flex, bench)),
        Part("nccl", 10, partial(beside.result, "nccl")),
        Part("resume", 20, partial(beside.result, "resume")),
        Part("flex-compiled", 30, partial(_gpu_attention.flex_compiled, bench)),
    ]


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=8, help="until the last part has ended (default 8)")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these checks and timings alone")
    parser.add_argument("--out", type=Path, default=Path("gpu.json"), help="the JSON (default gpu.json)")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--quick", action="store_true", help="everything at toy size, timings too")
    options = parser.parse_args(argv)
    if options.device == "auto":
        options.device = "cuda" if torch.cuda.is_available() else "cpu"
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: torch sees no GPU")
    return options


def facts(device: torch.device) -> Figures:
    """What the figures belong to."""
    on_gpu = device.type == "cuda"
    return {
        "machine": machine(torch.cuda.get_device_name(device) if on_gpu else None),
        "capability": torch.cuda.get_device_capability(device) if on_gpu else None,
        "versions": versions((*PACKAGES, "transformers", "peft")),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run what is asked for; 1 where a part failed, 2 where a name is not known."""
    options = arguments(argv)
    device = torch.device(options.device)
    # One thread is what benchmarks of a CPU want; here the CPU makes weights and is the oracle.
    torch.set_num_threads(min(8, os.cpu_count() or 1) if device.type == "cuda" else 1)
    bench = Bench(device, toy=options.quick or device.type == "cpu")
    # Budgets are those of an H100: a CPU may take until the last minute.
    report = Report(facts(device), options.minutes, options.out, **({} if bench.on_gpu else {"patience": math.inf}))
    with tempfile.TemporaryDirectory() as folder, _gpu_runs.Beside(bench, Path(folder)) as beside:
        parts = checks(bench, beside)
        if options.quick or bench.on_gpu:
            parts += _gpu_times.timings(bench, Path(folder))
        if unknown := [name for name in options.only or () if not any(p.is_asked_for([name]) for p in parts)]:
            print(f"no part is called {', '.join(unknown)}; there are {', '.join(p.name for p in parts)}")
            return 2
        parts = [part for part in parts if part.is_asked_for(options.only)]
        beside.begin({part.name for part in parts if part.budget <= report.left()})
        for part in parts:
            report.run(part)
            bench.release()
    return conclude(report)


def conclude(report: Report) -> int:
    """Aims beside what was measured, and what failed; the exit code."""
    report.content["aims"] = _gpu_times.against_aims(report.parts)
    report.content["failed"] = report.failed
    report.write()
    for name, line in report.content["aims"].items():
        print(f"{name}: {line}")
    missing = [name for name, part in report.parts.items() if part["status"] == "not reached"]
    print(f"failed: {', '.join(report.failed) or 'nothing'}; not reached: {', '.join(missing) or 'nothing'}")
    for name in report.failed:
        print(f"  {name}: {report.parts[name]['error']}")
    return 1 if report.failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
