"""The one way to run benchmarks: the list, options, tables in the terminal, and a line of JSON for each run."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from argparse import Namespace
from collections.abc import Sequence
from datetime import date
from functools import partial
from itertools import takewhile
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks._benchmark import Benchmark, Figures, Listed, listed
from benchmarks._machine import machine, versions

PROGRAM = "python -m benchmarks"
WIDTH = 140
USAGE = f"{PROGRAM} [NAME ...] [--quick] [OPTIONS]"


def main(arguments: Sequence[str] | None = None) -> int:
    """List, run, or write RESULTS.md; 1 where a target was missed. Raises `SystemExit` where variants disagree."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    names = list(takewhile(lambda word: not word.startswith("-"), given))
    rest = given[len(names) :]
    known = {one.name: one for one in listed()}
    if not names:
        return _nameless(rest, list(known.values()))
    if names == ["all"]:
        names = [name for name, one in known.items() if one.alone is None]
    if unknown := [name for name in names if name not in known]:
        sys.exit(f"no benchmark is called {', '.join(unknown)}; there are {', '.join(known)}, and all")
    alone = [name for name in names if known[name].alone is not None]
    if len(names) == 1 and alone:
        return importlib.import_module(f"benchmarks.{alone[0]}").main(rest) or 0
    if alone:
        sys.exit(f"{', '.join(alone)}: to be run alone, since it prints in a way of its own")
    asked = [_asked(name, rest) for name in names]
    return max([_run(*one) for one in asked])


def _nameless(rest: list[str], known: list[Listed]) -> int:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        usage=USAGE,
        description=importlib.import_module("benchmarks").__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--write-results", action="store_true", help="compose RESULTS.md of notes and saved runs")
    options = parser.parse_args(rest)
    if options.write_results:
        from benchmarks._results import write

        write()
        return 0
    table = Table(title=USAGE, box=box.SIMPLE_HEAD, caption="NAME --help tells more; all runs those marked with *")
    for column in ("", "name", "what it compares"):
        table.add_column(column, no_wrap=column == "name")
    for one in known:
        told = f"{one.summary} ({one.alone})" if one.alone else one.summary
        table.add_row("" if one.alone else "*", one.name, Text(told))
    _console().print(table)
    return 0


def _console(stderr: bool = False) -> Console:
    """As wide as the terminal; wide enough for tables where there is none."""
    console = Console(stderr=stderr)
    return console if console.is_terminal else Console(stderr=stderr, width=WIDTH)


def _asked(name: str, rest: Sequence[str]) -> tuple[Benchmark, Namespace]:
    """A benchmark and its options."""
    module = importlib.import_module(f"benchmarks.{name}")
    benchmark: Benchmark = module.BENCHMARK
    parser = _parser(name, module.__doc__ or "", benchmark)
    options = parser.parse_args([*benchmark.quick, *rest] if "--quick" in rest else rest)
    if options.save and options.quick:
        parser.error("--save: figures of a quick run mean nothing")
    options.command = [name, *rest]
    return benchmark, options


def _parser(name: str, doc: str, benchmark: Benchmark) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"{PROGRAM} {name}",
        description=doc,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--quick", action="store_true", help="toy size: shows that it works, not what is faster")
    parser.add_argument(
        "--repeats", type=int, default=3, help="timed rounds; the median counts (default %(default)s)"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, help="also add the line of JSON to this file")
    parser.add_argument("--save", action="store_true", help="keep the run for RESULTS.md")
    parser.set_defaults(device="cpu", peak_of=None)
    if benchmark.peak:
        parser.add_argument("--no-memory", action="store_true", help="leave the peak-memory runs out")
        parser.add_argument("--peak-of", help=argparse.SUPPRESS)
    benchmark.options(parser)
    return parser


def _run(benchmark: Benchmark, options: Namespace) -> int:
    import torch

    from benchmarks._harness import peak_of_step

    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    if benchmark.peak and options.peak_of:
        print(json.dumps(peak_of_step(partial(benchmark.peak, options), device)))
        return 0
    begun = time.perf_counter()
    figures = benchmark.run(options)
    gpu = torch.cuda.get_device_name() if device.type == "cuda" else None
    record = {
        "benchmark": options.command[0],
        "command": f"{PROGRAM} {' '.join(word for word in options.command if word != '--save')}",
        "date": date.today().isoformat(),
        "seconds": round(time.perf_counter() - begun, 1),
        "threads": options.threads,
        "machine": machine(gpu),
        "versions": versions(),
        "figures": figures,
    }
    return _tell(record, benchmark, options)


def _tell(record: Figures, benchmark: Benchmark, options: Namespace) -> int:
    """Tables to standard error, JSON to standard output and where it was asked for."""
    line = json.dumps(record)
    print(line, flush=True)
    if options.out:
        with options.out.open("a", encoding="utf-8") as out:
            out.write(line + "\n")
    console = _console(stderr=True)
    for table in benchmark.tables(json.loads(line)["figures"]):
        console.print(table.rich())
    if options.save:
        from benchmarks._results import save

        save(record)
    missed = record["figures"].get("missed", [])
    for sentence in missed:
        console.print(f"{record['benchmark']}: missed: {sentence}", markup=False)
    return 1 if missed else 0
