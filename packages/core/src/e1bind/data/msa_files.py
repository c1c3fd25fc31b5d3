"""Which alignment belongs to which chain: by the chain's id, in one folder."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from e1bind.contracts import ResidueRecord
from e1bind.errors import DataError

log = logging.getLogger(__name__)


def with_msa(record: ResidueRecord, folder: Path, names: set[str]) -> ResidueRecord:
    """The record with its alignment, if `names`, what lies in `folder`, hold {id}.a3m or {id}.a3m.gz."""
    for name in (f"{record.id}.a3m", f"{record.id}.a3m.gz"):
        if name in names:
            return replace(record, msa=folder / name)
    return record


def with_alignments(records: Sequence[ResidueRecord], folder: Path, key: str, of: Path) -> list[ResidueRecord]:
    """The records of the file `of` with the alignments in `folder`, which the spec names in `key`."""
    if not folder.is_dir():
        raise DataError(f"{folder}: {key} is not a folder; create it or leave msa_dir out")
    names = {entry.name for entry in folder.iterdir()}
    paired = [with_msa(record, folder, names) for record in records]
    found = sum(record.msa is not None for record in paired)
    level = logging.INFO if found else logging.WARNING
    log.log(level, "%s: %d of %d chains have an alignment in %s", of, found, len(paired), folder)
    return paired
