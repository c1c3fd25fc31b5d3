"""An alignment weighed, and read back from the disk: CPU time of one thread, in turns, ratios as JSON.

    uv run python -m benchmarks.alignments --rows 1000 5000

Equality of the two is asserted first.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

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
        assert all(np.array_equal(value, getattr(read, key)) for key, value in vars(weighed).items())
        times: dict[str, list[float]] = {"weigh": [], "read": []}
        for _ in range(repeats):
            for name, place in (("weigh", None), ("read", cache)):
                begin = time.process_time()
                Profiles(0.8, place).of(record)
                times[name].append(time.process_time() - begin)
        assert record.msa is not None
        (kept,) = cache.iterdir()
        return {
            **{f"{name} s": round(statistics.median(values), 4) for name, values in times.items()},
            "alignment MB": round(record.msa.stat().st_size / 1e6, 2),
            "kept MB": round(kept.stat().st_size / 1e6, 2),
        }


def main() -> None:
    """Print JSON by number of rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[1000, 5000])
    parser.add_argument("--columns", type=int, default=250)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    found = {rows: measured(rows, arguments.columns, arguments.repeats) for rows in arguments.rows}
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
