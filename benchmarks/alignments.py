"""An alignment weighed anew in each epoch, and its profile read back from the disk.

    python -m benchmarks alignments [--rows 1000 5000 20000] [--columns 250]

CPU time, one thread, in turns; equality of the two is asserted first.
"""

from __future__ import annotations

import tempfile
from argparse import ArgumentParser, Namespace
from pathlib import Path

import numpy as np

from benchmarks._benchmark import Benchmark, Figures, Table
from benchmarks._harness import medians, ratio, rounds
from e1bind.contracts import ResidueRecord
from e1bind.data.msa_profiles import Profiles

LETTERS = np.array(list("ACDEFGHIKLMNPQRSTVWY"))


def aligned(folder: Path, rows: int, columns: int) -> ResidueRecord:
    """A chain with an alignment of homologues of 20 to 80 % identity and a fifth of gaps."""
    rng = np.random.default_rng(0)
    chain = rng.choice(LETTERS, columns)
    lines = [f">q\n{''.join(chain)}\n"]
    for number in range(rows):
        row = np.where(rng.random(columns) < rng.uniform(0.2, 0.8), rng.choice(LETTERS, columns), chain)
        lines.append(f">h{number}\n{''.join(np.where(rng.random(columns) < 0.2, '-', row))}\n")
    file = folder / f"{rows}.a3m"
    file.write_text("".join(lines))
    return ResidueRecord("q", "".join(chain), msa=file)


def measured(rows: int, columns: int, repeats: int) -> dict[str, float]:
    """Seconds to weigh and to read, MB of the alignment and of what is kept."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        record, cache = aligned(folder, rows, columns), folder / "cache"
        weighed, read = Profiles(0.8, cache).of(record), Profiles(0.8, cache).of(record)
        if not all(np.array_equal(value, getattr(read, key)) for key, value in vars(weighed).items()):
            raise SystemExit(f"{rows} rows: what was read is not what was weighed; not timed")
        places = {"weighed": None, "read": cache}
        steps = {way: lambda place=place: Profiles(0.8, place).of(record) for way, place in places.items()}
        taken = rounds(steps, repeats)
        assert record.msa is not None
        (kept,) = cache.iterdir()
        return {
            **{f"{way}, s": round(value, 4) for way, value in medians(taken).items()},
            "read / weighed": round(ratio(taken, "read", "weighed"), 4),
            "alignment, MB": round(record.msa.stat().st_size / 1e6, 2),
            "kept, MB": round(kept.stat().st_size / 1e6, 2),
        }


def run(options: Namespace) -> Figures:
    """Figures by number of rows."""
    rows = {str(rows): measured(rows, options.columns, options.repeats) for rows in options.rows}
    return {"columns": options.columns, "rows": rows}


def tables(found: Figures) -> list[Table]:
    """One, by number of rows."""
    columns = ["rows", *next(iter(found["rows"].values()))]
    rows = [[f"{int(rows):,}", *figures.values()] for rows, figures in found["rows"].items()]
    return [Table(f"A profile of {found['columns']} columns", columns, rows)]


def options(parser: ArgumentParser) -> None:
    """Its own."""
    parser.add_argument("--rows", type=int, nargs="+", default=[1000, 5000, 20000])
    parser.add_argument("--columns", type=int, default=250)


BENCHMARK = Benchmark(run, tables, options, quick=["--rows", "20", "--columns", "30", "--repeats", "1"])
