"""Labelled chains as files: `fasta3`, and tables as the reader `table` takes them.

Nothing is changed on the way: what a format cannot hold, or a spreadsheet would take for a formula, is refused.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
from pyarrow import csv, parquet

from e1bind.contracts import UNKNOWN, ResidueRecord
from e1bind.data.ids import shown_id
from e1bind.data.labels import text_of_labels
from e1bind.data.records import merge_ions
from e1bind.data.text import MAX_SHOWN
from e1bind.errors import DataError, UserError
from e1bind.files.text import cell
from e1bind.files.writing import output_bytes, output_text, together

FASTA = (".fasta", ".fa", ".fas", ".faa")
SEPARATORS = {".csv": ",", ".tsv": "\t"}
PARQUET = ".parquet"


@dataclass(frozen=True)
class Cells:
    """What a table's cells hold: labels, or the positions of binding residues, counted from `first`."""

    values: Literal["labels", "positions"] = "labels"
    first: int = 1


@dataclass(frozen=True)
class Written:
    """A file that was written, with its chains and ions."""

    path: Path
    chains: int
    ions: Sequence[str]


def write_chains(out: Path, by_ion: Mapping[str, Sequence[ResidueRecord]], cells: Cells) -> list[Written]:
    """Write the chains of each ion, in the format that the name of `out` says; all files appear together.

    `{ion}` in the name makes a file for each ion, its chains in the order they are given in. Without it a table has
    all ions, its chains in order of first appearance; `fasta3` cannot hold several. Raises `UserError`.
    """
    form, several = _format(out), "{ion}" in str(out)
    if form in FASTA and len(by_ion) > 1 and not several:
        raise UserError(f"{out}: a file of three lines a chain holds one ion; write {{ion}} in its name")
    merged = merge_ions(by_ion)
    parts = [(Path(str(out).replace("{ion}", i)), records, [i]) for i, records in by_ion.items()]
    if not several:
        parts = [(out, merged if len(by_ion) > 1 else parts[0][1], list(by_ion))]
    with together():
        for path, records, ions in parts:
            _check(path, records, form)
            if form in FASTA:
                output_text(path, fasta3_text(records, ions[0]))
            else:
                output_bytes(path, _table_bytes(records, ions, cells, form))
    return [Written(path, len(records), ions) for path, records, ions in parts]


def fasta3_text(records: Sequence[ResidueRecord], ion: str) -> str:
    """Three lines a chain: `>id description`, sequence, labels for `ion`."""
    return "".join(
        f">{record.id}{' ' * bool(record.description)}{record.description}\n"
        f"{record.sequence}\n{text_of_labels(record.labels[ion])}\n"
        for record in records
    )


def _table_bytes(records: Sequence[ResidueRecord], ions: Sequence[str], cells: Cells, form: str) -> bytes:
    columns: dict[str, list[str | None]] = {
        "id": [record.id for record in records],
        "sequence": [record.sequence for record in records],
    }
    if any(record.description for record in records):
        columns["description"] = [record.description or None for record in records]
    columns |= {ion: [_cell(record, ion, cells) for record in records] for ion in ions}
    table = pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
    sink = io.BytesIO()
    if form == PARQUET:
        parquet.write_table(table, sink)
    else:
        csv.write_csv(table, sink, csv.WriteOptions(delimiter=SEPARATORS[form]))
    return sink.getvalue()


def _cell(record: ResidueRecord, ion: str, cells: Cells) -> str | None:
    """Labels or positions as the reader `table` takes them; None where nothing is known."""
    if ion not in record.labels:
        return None
    labels_L = record.labels[ion]
    if cells.values == "labels":
        return text_of_labels(labels_L)
    marked = [(place, "") for place in np.flatnonzero(labels_L == 1)]
    marked += [(place, "?") for place in np.flatnonzero(labels_L == UNKNOWN)]
    words = [f"{mark}{record.sequence[place]}{place + cells.first}" for place, mark in sorted(marked)]
    return " ".join(words) or "[]"


def _format(out: Path) -> str:
    """The ending that says the format. Raises `UserError`."""
    name = out.name.lower()
    form = next((end for end in (*FASTA, *SEPARATORS, PARQUET) if name.removesuffix(".gz").endswith(end)), None)
    if form is None or (form == PARQUET and name.endswith(".gz")):
        known = ", ".join((*FASTA, *SEPARATORS))
        raise UserError(
            f"{out}: the name says no format; it ends in {known} (these also with .gz), or in {PARQUET}"
        )
    return form


def _check(path: Path, records: Sequence[ResidueRecord], form: str) -> None:
    """Raise `DataError` for chains that the format cannot hold."""
    problems = [f"  {shown_id(record.id)}: {fault}" for record in records for fault in _faults(record, form)]
    if problems:
        more = [f"  and {len(problems) - MAX_SHOWN} more"] * (len(problems) > MAX_SHOWN)
        raise DataError("\n".join([f"{path} cannot hold these chains:", *problems[:MAX_SHOWN], *more]))


def _faults(record: ResidueRecord, form: str) -> Iterator[str]:
    if form in FASTA and len(record.id.split()) != 1:
        yield "the id holds white space, where it would end; rename the chain, or write a table"
    elif record.id != record.id.strip():
        yield "the id begins or ends with white space; rename the chain"
    if form in SEPARATORS and any(cell(text) != text for text in (record.id, record.description)):
        yield f"a spreadsheet takes its id or description for a formula; write {PARQUET}"
    if len(record.description.splitlines()) > 1:
        yield "the description is of several lines"
