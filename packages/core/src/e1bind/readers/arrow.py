"""Tables as Arrow reads them: CSV and TSV with every cell as text, Parquet with the types it has."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
from pyarrow import csv, parquet

from e1bind.data.text import read_bytes, warn_of_a_cut
from e1bind.errors import DataError

SEPARATORS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}


def read_table(path: Path) -> Any:
    """The `pyarrow.Table` of a file, by its name (`.csv`, `.tsv`, `.tab`, `.parquet`; text also as `.gz`).

    A cell of text that is empty is null. Raises `DataError` where the file is no such table, is empty, or has two
    columns of one name.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    kind = suffixes[-2] if suffixes[-1:] == [".gz"] and len(suffixes) > 1 else (suffixes or [""])[-1]
    if kind != ".parquet" and kind not in SEPARATORS:
        raise DataError(f"{path}: the name says no table; it ends in .csv, .tsv or .parquet")
    content = read_bytes(path)
    if not content.strip():
        raise DataError(f"{path}: is empty; expected a table with a header and a row for each chain")
    try:
        if kind == ".parquet":
            table = parquet.read_table(io.BytesIO(content))
        else:
            warn_of_a_cut(path, content)
            table = _text(content, SEPARATORS[kind])
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path}: is no table of the kind its name says: {reason}") from error
    names = table.column_names
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(f"{path}: has more than one column called {', '.join(map(repr, twice))}; rename them")
    return table


def _text(content: bytes, separator: str) -> Any:
    """Every cell as text, so that no id becomes a number and no label string loses its zeros."""
    content = content.removeprefix(b"\xef\xbb\xbf")
    parse = csv.ParseOptions(delimiter=separator, newlines_in_values=True)
    # One line is enough to learn the names, which must be known before the types can be said.
    names = csv.open_csv(io.BytesIO(content), parse_options=parse).schema.names
    convert = csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=[""]
    )
    return csv.read_csv(io.BytesIO(content), parse_options=parse, convert_options=convert)
