"""Whether what a reader gave are chains with labels that go with their residues."""

from __future__ import annotations

from typing import Any

import numpy as np

from e1bind.contracts import UNKNOWN, ResidueRecord
from e1bind.data.chain_table import ChainTable


def records_fault(records: Any, ion: str) -> str | None:
    """Whether a reader gave records whose labels for `ion` go with their residues."""
    if isinstance(records, ChainTable):  # its labels go with its residues, or it would not have been made
        stranger = next((records[i] for i in np.flatnonzero(~records.knows(ion)).tolist()), None)
        return None if stranger is None else f"gave {stranger.id[:80]!r} {_labels_fault(stranger, ion)}"
    if not isinstance(records, list | tuple) or not all(isinstance(record, ResidueRecord) for record in records):
        return f"returned a {type(records).__name__} for {ion}; a reader returns a list of ResidueRecord objects"
    for record in records:
        if fault := _labels_fault(record, ion):
            return f"gave {str(record.id)[:80]!r} {fault}"
    return None


def _labels_fault(record: ResidueRecord, ion: str) -> str | None:
    if not isinstance(record.sequence, str) or not record.sequence:
        return "no sequence; a record has at least one residue"
    for name, labels in record.labels.items():
        if not isinstance(labels, np.ndarray) or labels.dtype != np.int8:
            return f"labels for {name} of type {_kind(labels)}; they must be an int8 array"
        if labels.shape != (len(record),):
            return f"{labels.size} labels for {name} and {len(record)} residues; there must be one for each"
        if ((labels < UNKNOWN) | (labels > 1)).any():
            return f"labels for {name} other than 0, 1 and {UNKNOWN} (unknown)"
    return None if ion in record.labels else f"no labels for {ion}, which it was asked for"


def _kind(value: Any) -> str:
    return f"{value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__
