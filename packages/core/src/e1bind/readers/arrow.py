"""Tables as Arrow reads them: CSV and TSV with every cell as text, Parquet with the types it has."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa  # type: ignore[import-untyped]
from pyarrow import csv, parquet

from e1bind.data.text import read_bytes, warn_of_a_cut
from e1bind.errors import DataError

SEPARATORS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
ROWS = 4_096
"""Rows of a Parquet file that are looked at together."""
BLOCK = 1 << 20
"""Bytes of text that are looked at together; no line may be longer."""


class TableFile:
    """A table that is read a stretch at a time, as often as wanted, and never held as a whole.

    By its name it is `.csv`, `.tsv`, `.tab` or `.parquet`; text also as `.gz`. An empty cell of text is null.
    Raises `DataError` where the file is no such table, is empty, or has two columns of one name.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.kind, self._warned = path, _kind(path), False
        with self._reading():
            self.names = self._names()
        if twice := sorted({name for name in self.names if self.names.count(name) > 1}):
            raise DataError(f"{path}: has more than one column called {', '.join(map(repr, twice))}; rename them")

    def batches(self, columns: Sequence[str]) -> Iterator[list[Any]]:
        """The `pyarrow.Array`s of some columns, of the rows of one stretch after the other. Raises `DataError`."""
        with self._reading(), self._opened() as file:
            if self.kind == ".parquet":
                table = parquet.ParquetFile(file, pre_buffer=False, buffer_size=1 << 20)
                found = table.iter_batches(batch_size=ROWS, columns=list(columns))
            else:
                found = csv.open_csv(file, *self._form(), _as_text(self.names, columns), pa.system_memory_pool())
            for batch in found:
                yield [batch.column(batch.schema.get_field_index(name)) for name in columns]
            if isinstance(file, _Watched) and not self._warned:
                warn_of_a_cut(self.path, file.last)
                self._warned = True
        # What was a stretch of rows goes back to the system, not into a store for stretches to come.
        for pool in (pa.default_memory_pool(), pa.system_memory_pool()):
            pool.release_unused()

    def _names(self) -> list[str]:
        with self._opened() as file:
            if not file.read(4096).strip():
                raise DataError(f"{self.path}: is empty; expected a table with a header and a row for each chain")
        with self._opened() as file:
            if self.kind == ".parquet":
                return list(parquet.ParquetFile(file).schema_arrow.names)
            # The header is enough to learn the names, which must be known before the types can be said.
            return list(csv.open_csv(file, *self._form()).schema.names)

    def _form(self) -> tuple[Any, Any]:
        return (
            csv.ReadOptions(block_size=BLOCK),
            csv.ParseOptions(delimiter=SEPARATORS[self.kind], newlines_in_values=True),
        )

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        """The file, unpacked where it is gzip (told by its first bytes, not by its name)."""
        try:
            file: BinaryIO = self.path.open("rb")
        except FileNotFoundError as error:
            raise DataError(f"{self.path}: there is no such file") from error
        except OSError as error:
            raise DataError(f"{self.path}: cannot be read ({error.strerror})") from error
        with file:
            is_gzip = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            if self.kind == ".parquet":
                yield io.BytesIO(read_bytes(self.path)) if is_gzip else file
            else:
                yield _Watched(gzip.GzipFile(fileobj=file) if is_gzip else file)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise DataError(f"{self.path}: damaged gzip file ({error}); copy or pack it again") from error
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise DataError(f"{self.path}: is no table of the kind its name says: {reason}") from error


class _Watched(io.RawIOBase):
    """A file of text that is read from its beginning to its end, and keeps the last bytes that were read."""

    def __init__(self, file: Any) -> None:
        self.file, self.last = file, b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        found: bytes = self.file.read(size)
        self.last = found[-1:] or self.last
        return found


def _kind(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    kind = suffixes[-2] if suffixes[-1:] == [".gz"] and len(suffixes) > 1 else (suffixes or [""])[-1]
    if kind != ".parquet" and kind not in SEPARATORS:
        raise DataError(f"{path}: the name says no table; it ends in .csv, .tsv or .parquet")
    return kind


def _as_text(names: Sequence[str], columns: Sequence[str]) -> Any:
    """Every cell as text, so that no id becomes a number and no label string loses its zeros."""
    return csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()),
        include_columns=list(columns),
        strings_can_be_null=True,
        null_values=[""],
    )
