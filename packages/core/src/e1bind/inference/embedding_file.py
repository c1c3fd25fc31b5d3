"""Embeddings as one safetensors file: a tensor [L, D] for each chain under its id, with metadata.

The file is written as the chains come: the format's header says where each tensor will stand, and lengths and width
are known before any embedding is. The library's own writer wants all tensors in memory at once.

Shape legend: L residues of a chain, D width of the embeddings.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from e1bind.contracts import ResidueRecord
from e1bind.data.ids import shown_id
from e1bind.errors import DataError, UserError
from e1bind.files.writing import output
from e1bind.inference.embedding import Embeddings

ENDING = ".safetensors"
METADATA = "__metadata__"
LARGEST_HEADER = 100_000_000
"""Bytes; readers of the format refuse a longer one."""


def check_target(path: Path) -> None:
    """Raise `UserError` unless the file is called what it will be."""
    if path.suffix != ENDING:
        raise UserError(f"{path}: embeddings are written as safetensors; name a file that ends in {ENDING}")


def write_embeddings(
    path: Path,
    lengths: Mapping[str, int],
    width: int,
    about: Mapping[str, str],
    chains: Iterable[tuple[ResidueRecord, Embeddings]],
) -> None:
    """Write the file, whole or not at all; `chains` come in the order of `lengths`. Raises `UserError`."""
    head = _header(lengths, width, about)
    with output(path) as sink:
        sink.write(head)
        left = iter(lengths.items())
        for record, values in chains:
            if (record.id, len(record)) != next(left, None) or values.shape != (len(record), width):
                raise DataError(f"{record.source}: the input changed while it was read; give the command again")
            sink.write(values.astype("<f4").tobytes())
        if (missing := next(left, None)) is not None:
            raise DataError(f"{shown_id(missing[0])}: the input changed while it was read; give the command again")


def _header(lengths: Mapping[str, int], width: int, about: Mapping[str, str]) -> bytes:
    """The bytes before the first tensor: their number, and JSON that is padded to whole words."""
    if METADATA in lengths:
        raise DataError(f"a chain cannot be called {METADATA} in a safetensors file; give it another id")
    table: dict[str, object] = {METADATA: dict(about)}
    end = 0
    for name, length in lengths.items():
        begin, end = end, end + 4 * length * width
        table[name] = {"dtype": "F32", "shape": [length, width], "data_offsets": [begin, end]}
    text = json.dumps(table, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > LARGEST_HEADER:
        raise DataError(
            f"{len(lengths):,} chains are more than one safetensors file can name; split the input, and write a "
            "file for each part"
        )
    return len(text).to_bytes(8, "little") + text
