"""A table of half a million chains: what reading, counting and folding it costs, and what its processes share.

    uv run python -m benchmarks.scale --chains 500000

A process of its own takes each step once; CPU seconds of all its threads, and the most memory it had above what it
had when all was imported, beside the bytes of sequences and labels. Then a table is shared: by forked workers that
make every record, each with the memory it has of its own, and by a process that maps it.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import multiprocessing
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
from pyarrow import compute, csv, parquet

IONS = {"ZN": 1.0, "CA": 0.5, "MG": 0.4}
"""Share of the chains that each ion is known for."""
KINDS = ("labels.parquet", "labels.csv", "positions.parquet", "positions.csv")
_SPEC = """schema_version = 1
[run]
output_dir = "results"
[data.table]
train = "{file}"
{cells}[cv]
folds = 5
{groups}[backbone.e1]
random_weights = "tiny"
[views.masked]
[losses.nt-xent]
[training]
ions = ["ZN", "CA", "MG"]
epochs = 1
warmup_epochs = 0.5
"""


def main() -> None:
    """Print JSON: by file each step's seconds and peak memory, and what sharing costs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chains", type=int, default=500_000)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--quick", action="store_true", help="2,000 chains: that it works, not how long it takes")
    parser.add_argument("--steps-of", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.steps_of:
        print(json.dumps(steps(given.steps_of)))
        return
    chains = 2_000 if given.quick else given.chains
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        raw = write_tables(folder, chains)
        found: dict[str, Any] = {"chains": chains, "sequences and labels MB": round(raw / 1e6, 1)}
        for kind in given.kinds:
            for groups in (True, False):
                spec = write_spec(folder, kind, groups)
                command = [sys.executable, "-m", "benchmarks.scale", "--steps-of", str(spec)]
                printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                found[f"{kind}, {'groups' if groups else 'no groups'}"] = json.loads(printed.splitlines()[-1])
    print(json.dumps(found, indent=2))


def write_tables(folder: Path, chains: int) -> int:
    """Random chains of 50 to 400 residues in every form, and a file of groups; bytes of sequences and labels."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(50, 401, chains)
    cuts = np.concatenate([[0], np.cumsum(lengths)])
    letters = np.frombuffer(b"ACDEFGHIKLMNPQRSTVWY", np.uint8)[rng.integers(0, 20, cuts[-1])]
    names = pa.array([f"c{i:06d}_A" for i in range(chains)])
    as_labels = {"id": names, "sequence": _texts(letters, cuts)}
    as_places = dict(as_labels)
    raw = int(cuts[-1])
    for ion, share in IONS.items():
        known = rng.random(chains) < share
        counts = rng.integers(1, 7, chains)
        row = np.repeat(np.arange(chains), counts)
        place = (rng.random(len(row)) * lengths[row]).astype(np.int64)
        marks = np.full(cuts[-1], ord("0"), np.uint8)
        marks[cuts[row] + place] = ord("1")
        ends = np.cumsum(counts).tolist()
        words = [" ".join(map(str, part)) for part in map(sorted, map(set, _parts((place + 1).tolist(), ends)))]
        hidden = pa.array(~known)
        as_labels[ion] = compute.if_else(hidden, None, _texts(marks, cuts))
        as_places[ion] = compute.if_else(hidden, None, pa.array(words))
        raw += int(lengths[known].sum())
    for cells, columns in (("labels", as_labels), ("positions", as_places)):
        parquet.write_table(pa.table(columns), folder / f"{cells}.parquet")
        csv.write_csv(pa.table(columns), folder / f"{cells}.csv")
    groups = rng.integers(0, max(chains // 5, 5), chains)
    lines = "".join(f"{name}\tg{group}\n" for name, group in zip(names.to_pylist(), groups.tolist(), strict=True))
    (folder / "groups.tsv").write_text(lines)
    return raw


def _texts(content: Any, cuts: Any) -> Any:
    buffers = pa.py_buffer(cuts.astype(np.int32)), pa.py_buffer(content)
    return pa.StringArray.from_buffers(len(cuts) - 1, *buffers)


def _parts(items: list[int], ends: list[int]) -> list[list[int]]:
    return [items[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def write_spec(folder: Path, kind: str, groups: bool) -> Path:
    """A spec of one of the files."""
    path = folder / f"{kind}.toml"
    cells = 'values = "positions"\nfirst = 1\n' if kind.startswith("positions") else ""
    path.write_text(_SPEC.format(file=kind, cells=cells, groups='groups = "groups.tsv"\n' if groups else ""))
    return path


def steps(path: Path) -> dict[str, Any]:
    """CPU seconds of each step and the most memory above that of the imports, in MB; then what is shared."""
    import scipy.sparse.csgraph  # noqa: F401

    import e1bind.readers.table  # noqa: F401
    from e1bind.curation.folding import make_folds
    from e1bind.curation.reading import read_chains
    from e1bind.curation.statistics import statistics
    from e1bind.data.chain_table import ChainTable
    from e1bind.spec import load_spec

    spec = load_spec(path, [])
    base, found = _kilobytes("VmRSS"), {}

    def timed(name: str, step: Callable[[], Any]) -> Any:
        Path("/proc/self/clear_refs").write_text("5")
        begin = time.process_time()
        value = step()
        seconds, peak = time.process_time() - begin, (_kilobytes("VmHWM") - base) / 1e3
        found[name] = {"s": round(seconds, 2), "peak MB": round(peak, 1)}
        return value

    table = timed("read and check", lambda: read_chains(spec, "train"))
    timed("count", lambda: statistics(table, spec.training.ions))
    timed("fold", lambda: make_folds(spec, table))
    assert isinstance(table, ChainTable)
    return {**found, "kept MB": round((_kilobytes("VmRSS") - base) / 1e3, 1), "shared": shared(table)}


def shared(table: Any) -> dict[str, float]:
    """Own memory in MB of two forked workers that make every record, and of one that maps the table."""
    from e1bind.data.table_files import mapped_table, write_table

    forked = _own_of("fork", lambda: table, 2)
    with tempfile.TemporaryDirectory() as name:
        write_table(table, Path(name))
        mapped = _own_of("spawn", partial(mapped_table, Path(name)), 1)
    return {"a forked worker's own MB": forked, "a mapping process's own MB": mapped}


def _own_of(method: str, given: Callable[[], Any], count: int) -> float:
    """The most memory, in MB, that one of some processes has of its own after making every record."""
    context = multiprocessing.get_context(method)
    found = context.SimpleQueue()
    workers = [context.Process(target=_make_records, args=(given, found)) for _ in range(count)]
    for worker in workers:
        worker.start()
    own = [found.get() for _ in workers]
    for worker in workers:
        worker.join()
    return max(own)


def _make_records(given: Callable[[], Any], found: Any) -> None:
    before, table = _own_kilobytes(), given()
    assert sum(len(record) for record in table) == int(table.lengths.sum())
    found.put(round((_own_kilobytes() - before) / 1e3, 1))


def _kilobytes(field: str) -> int:
    return _sum_of(Path("/proc/self/status"), (field,))


def _own_kilobytes() -> int:
    """Memory of this process that no other one has, in kB."""
    return _sum_of(Path("/proc/self/smaps_rollup"), ("Private_Clean", "Private_Dirty"))


def _sum_of(path: Path, fields: tuple[str, ...]) -> int:
    return sum(int(line.split()[1]) for line in path.read_text().splitlines() if line.startswith(fields))


if __name__ == "__main__":
    main()
