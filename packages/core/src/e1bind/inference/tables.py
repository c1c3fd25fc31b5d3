"""Predictions as files: CSV, TSV and Parquet with a row per residue and ion, JSON with an object per chain.

    protein      chain id
    position     1 for the first residue of the sequence
    amino_acid   one letter
    ion
    probability  mean over the folds
    spread       standard deviation over the folds
    context_spread  standard deviation over the contexts of the folds' mean; where several were asked for
    calibrated   the calibrated probability; empty for a run without calibration
    call         1 where the probability is at or above the run's threshold for the ion, else 0

A file is written beside its place and moved there when it is whole; standard output ("-") is written as it comes.
In CSV and TSV a name that begins as a spreadsheet's formula does ("=", "+", "-", "@", "|") gets an apostrophe in
front; Parquet and JSON hold it as it is.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, Protocol

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
from numpy.typing import NDArray
from pyarrow import parquet

from e1bind.errors import UserError
from e1bind.files.text import cell
from e1bind.files.writing import output
from e1bind.inference.stream import Prediction
from e1bind.runs.reader import FinishedRun

Format = Literal["csv", "tsv", "parquet", "json"]
FORMATS: tuple[Format, ...] = ("csv", "tsv", "parquet", "json")
STDOUT = Path("-")
SCHEMA = pa.schema(
    [
        pa.field("protein", pa.string(), nullable=False),
        pa.field("position", pa.int32(), nullable=False),
        pa.field("amino_acid", pa.string(), nullable=False),
        pa.field("ion", pa.string(), nullable=False),
        pa.field("probability", pa.float32(), nullable=False),
        pa.field("spread", pa.float32(), nullable=False),
        pa.field("calibrated", pa.float32()),
        pa.field("call", pa.int8(), nullable=False),
    ]
)
CONTEXT_SPREAD = pa.field("context_spread", pa.float32(), nullable=False)
ROWS = 65_536
"""Rows that are collected before they are written; also the size of Parquet's row groups."""


@dataclass(frozen=True, eq=False)
class IonColumns:
    """One ion's predictions of one chain, [L] each; `calibrated` is None for a run without calibration."""

    probability: NDArray[np.float32]
    spread: NDArray[np.float32]
    context_spread: NDArray[np.float32]
    calibrated: NDArray[np.float32] | None
    call: NDArray[np.int8]


def columns_of(prediction: Prediction, run: FinishedRun, ion: str) -> IonColumns:
    """What the files say of a chain and an ion. The call is made before anything is rounded to float32."""
    mean = prediction.mean(ion)
    calibration = run.calibrations.get(ion)
    return IonColumns(
        probability=mean.astype(np.float32),
        spread=prediction.spread(ion).astype(np.float32),
        context_spread=prediction.context_spread(ion).astype(np.float32),
        calibrated=None if calibration is None else calibration.apply(mean).astype(np.float32),
        call=(mean >= run.thresholds[ion]).astype(np.int8),
    )


def schema_of(contexts: bool) -> pa.Schema:
    """The columns of a table; with `contexts` how far these disagree stands beside the folds' spread."""
    return SCHEMA.insert(SCHEMA.get_field_index("spread") + 1, CONTEXT_SPREAD) if contexts else SCHEMA


class Writer(Protocol):
    """Takes chain after chain."""

    def write(self, prediction: Prediction, columns: Mapping[str, IonColumns]) -> None:
        """Add a chain with its columns by ion."""
        ...


def format_of(path: Path, wanted: str | None) -> Format:
    """The format asked for, else that of the name's ending, else (no ending, "-") CSV. Raises `UserError`."""
    suffixes = [s.lower() for s in path.suffixes]
    ending = next((s for s in reversed(suffixes) if s != ".gz"), "").removeprefix(".")
    named = next((f for f in FORMATS if f == (wanted or ending)), None)
    if named is not None:
        return named
    if wanted is not None:
        raise UserError(f"--format {wanted}: there is no such format; use one of {', '.join(FORMATS)}")
    if not ending:
        return "csv"
    raise UserError(f"{path}: '.{ending}' is no known ending; use one of {', '.join(FORMATS)}, or say --format")


@contextmanager
def open_table(path: Path, kind: Format, run: FinishedRun, contexts: bool = False) -> Iterator[Writer]:
    """A writer to `path`, which gets the file when all went well, and is left as it was otherwise.

    `contexts`: with the column `context_spread`.
    """
    if kind == "parquet" and (path == STDOUT or path.suffix.lower() == ".gz"):
        raise UserError(
            "Parquet is compressed already and cannot be written to standard output; name a .parquet file"
        )
    with _sink(path) as sink, ExitStack() as stack:
        if kind == "json":
            yield stack.enter_context(_json_writer(sink, run, contexts))
            return
        schema = schema_of(contexts)
        writer = _Rows(_batch_writer(sink, kind, schema), schema)
        yield writer
        writer.close()


class _Rows:
    """Collects rows and writes them as record batches."""

    def __init__(self, target: Any, schema: pa.Schema) -> None:
        self.target, self.schema = target, schema
        self.batches: list[pa.RecordBatch] = []

    def write(self, prediction: Prediction, columns: Mapping[str, IonColumns]) -> None:
        record = prediction.record
        length = len(record)
        for ion, of in columns.items():
            values = {
                "protein": pa.repeat(record.id, length),
                "position": np.arange(1, length + 1, dtype=np.int32),
                "amino_acid": pa.array(list(record.sequence)),
                "ion": pa.repeat(ion, length),
                "probability": of.probability,
                "spread": of.spread,
                "context_spread": of.context_spread,
                "calibrated": pa.nulls(length, pa.float32()) if of.calibrated is None else of.calibrated,
                "call": of.call,
            }
            columns_of_chain = [pa.array(values[name]) for name in self.schema.names]
            self.batches.append(pa.record_batch(columns_of_chain, schema=self.schema))
        if sum(batch.num_rows for batch in self.batches) >= ROWS:
            self._flush()

    def _flush(self) -> None:
        if self.batches:
            self.target.write_table(pa.Table.from_batches(self.batches).combine_chunks())
            self.batches = []

    def close(self) -> None:
        self._flush()
        self.target.close()


def _batch_writer(sink: IO[bytes], kind: Format, schema: pa.Schema) -> Any:
    if kind == "parquet":
        return parquet.ParquetWriter(sink, schema, compression="zstd")
    return _Text(sink, "," if kind == "csv" else "\t", schema)


class _Text:
    """Tables as delimited text; floats with as few digits as tell a float32 from its neighbours."""

    def __init__(self, sink: IO[bytes], delimiter: str, schema: pa.Schema) -> None:
        self.sink = sink
        self.text = io.StringIO()
        self.rows = csv.writer(self.text, delimiter=delimiter, lineterminator="\n")
        self.rows.writerow(schema.names)

    def write_table(self, table: pa.Table) -> None:
        # Arrow gives a null as None, which becomes an empty cell.
        columns = {name: table[name].cast(pa.string()).to_pylist() for name in table.column_names}
        for name in ("protein", "ion"):
            columns[name] = [cell(text) for text in columns[name]]
        self.rows.writerows(zip(*columns.values(), strict=True))
        self._hand_on()

    def _hand_on(self) -> None:
        self.sink.write(self.text.getvalue().encode())
        self.text.seek(0)
        self.text.truncate()

    def close(self) -> None:
        self._hand_on()


class _Json:
    """An object per chain, one to a line, in an array that is written as it grows."""

    def __init__(self, sink: IO[bytes], contexts: bool) -> None:
        self.sink, self.contexts = sink, contexts
        self.separator = ""

    def write(self, prediction: Prediction, columns: Mapping[str, IonColumns]) -> None:
        record = prediction.record
        ions = {ion: self._ion(of) for ion, of in columns.items()}
        entry = {"protein": record.id, "length": len(record), "sequence": record.sequence, "ions": ions}
        self.sink.write(f"{self.separator}\n{json.dumps(entry)}".encode())
        self.separator = ","

    def _ion(self, of: IonColumns) -> dict[str, Any]:
        return {
            "probability": _short(of.probability),
            "spread": _short(of.spread),
            **({"context_spread": _short(of.context_spread)} if self.contexts else {}),
            "calibrated": None if of.calibrated is None else _short(of.calibrated),
            "called": (np.flatnonzero(of.call) + 1).tolist(),
        }


@contextmanager
def _json_writer(sink: IO[bytes], run: FinishedRun, contexts: bool) -> Iterator[_Json]:
    head = {"run": run.files.run_id, "folds": len(run.folds), "thresholds": dict(run.thresholds)}
    sink.write((json.dumps(head)[:-1] + ', "proteins": [').encode())
    yield _Json(sink, contexts)
    sink.write(b"\n]}\n")


def _short(values: NDArray[np.float32]) -> list[float]:
    """As few digits as tell a float32 from its neighbours."""
    return [float(str(value)) for value in values]


@contextmanager
def _sink(path: Path) -> Iterator[IO[bytes]]:
    """Bytes for `path`, or standard output; what others print in the meantime goes to standard error."""
    if path != STDOUT:
        with output(path) as sink:
            yield sink
        return
    stream = sys.stdout.buffer
    with redirect_stdout(sys.stderr):
        yield stream
        stream.flush()
