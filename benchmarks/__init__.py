"""Benchmarks: a module for each question, all run by `python -m benchmarks NAME [NAME ...] [--quick] [OPTIONS]`.

Every module here whose name has no leading underscore is a benchmark; nothing else has to know of it. The first
line of its docstring says in the list what it compares, the rest is its `--help`. It ends with

    BENCHMARK = Benchmark(run, tables, options=..., quick=[...], peak=...)

    run(options) -> figures    asserts that what is compared agrees, then measures; `SystemExit` with a sentence
                               where it does not. Figures go through JSON: text for keys, numbers that are rounded
                               for people. Sentences under "missed" are targets not reached: told, and exit code 1.
    tables(figures) -> list    what matters of them as `Table`s, for the terminal and for RESULTS.md; made of
                               nothing but figures that come from JSON, of this run or of one that was saved
    options(parser)            its own options, and `parser.set_defaults` of the common ones (`--repeats`,
                               `--threads`); defaults are those of the run that RESULTS.md shows
    quick                      the arguments that `--quick` stands for: well under a second, without processes
    peak(options) -> step      prepares the variant `options.peak_of` in a process of its own, whose peak memory is
                               measured; `run` starts those processes by `_harness.peak_megabytes`, unless
                               `options.no_memory`

`_harness` has what measures: CPU time of one thread, variants taking turns, medians and ratios of rounds.

A module that cannot be part of `all`, for want of data or a GPU say, and has its own way to print, has instead

    ALONE = "why"              a few words, for the list
    def main(arguments: Sequence[str] | None = None) -> int | None

RESULTS.md is composed by `python -m benchmarks --write-results`: `notes/NAME.md` explains, and has a line
`<!-- figures -->` where the tables of `results/NAME.json` go, which `--save` writes.
"""

import os

# Read when torch and numpy are imported, which no module of this package can do before this line.
os.environ.setdefault("OMP_NUM_THREADS", "1")
