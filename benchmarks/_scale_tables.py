"""Tables of made-up chains, as large as wanted, in every form that the reader `table` takes; and specs of them."""

from __future__ import annotations

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
