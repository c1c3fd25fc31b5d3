"""The process that reads, counts and folds one table once: `python -m benchmarks._scale_steps SPEC` prints JSON."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any


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
    plan = timed("fold", lambda: make_folds(spec, table))
    assert isinstance(table, ChainTable)
    kept = round((_kilobytes("VmRSS") - base) / 1e3, 1)
    folds = hashlib.sha256(repr(sorted(plan.fold_of.items())).encode()).hexdigest()
    return {**found, "folds": folds, "kept MB": kept, "shared": shared(table)}


def shared(table: Any) -> dict[str, float]:
    """Own memory in MB of two forked workers that make every record, and of one that maps the table."""
    from e1bind.data.table_files import mapped_table, write_table

    forked = _own_of("fork", lambda: table)
    with tempfile.TemporaryDirectory() as name:
        write_table(table, Path(name))
        mapped = _own_of("spawn", partial(mapped_table, Path(name)))
    return {"a forked worker's own MB": forked, "a mapping process's own MB": mapped}


def _own_of(method: str, given: Callable[[], Any]) -> float:
    """The most memory, in MB, that one of two processes has of its own after both have made every record."""
    context: Any = multiprocessing.get_context(method)
    found, both = context.SimpleQueue(), context.Barrier(2)
    workers = [context.Process(target=_make_records, args=(given, found, both)) for _ in range(2)]
    for worker in workers:
        worker.start()
    own = [found.get() for _ in workers]
    for worker in workers:
        worker.join()
    return max(own)


def _make_records(given: Callable[[], Any], found: Any, both: Any) -> None:
    before, table = _own_kilobytes(), given()
    assert sum(len(record) for record in table) == int(table.lengths.sum())
    both.wait()  # what both have mapped counts as neither's own
    own = _own_kilobytes() - before
    both.wait()
    found.put(round(own / 1e3, 1))


def _kilobytes(field: str) -> int:
    return _sum_of(Path("/proc/self/status"), (field,))


def _own_kilobytes() -> int:
    """Memory of this process that no other one has, in kB."""
    return _sum_of(Path("/proc/self/smaps_rollup"), ("Private_Clean", "Private_Dirty"))


def _sum_of(path: Path, fields: tuple[str, ...]) -> int:
    return sum(int(line.split()[1]) for line in path.read_text().splitlines() if line.startswith(fields))


if __name__ == "__main__":
    print(json.dumps(steps(Path(sys.argv[1]))))
