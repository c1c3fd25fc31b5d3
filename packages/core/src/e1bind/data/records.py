"""Joining the files of several ions: one record per chain, with the labels of every ion it was observed for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from e1bind.contracts import ResidueRecord
from e1bind.data.chain_table import ChainTable
from e1bind.data.ids import id_fault, plain_ids, shown_id
from e1bind.data.packing import packed
from e1bind.data.table_merging import joined_tables
from e1bind.data.text import MAX_SHOWN
from e1bind.errors import DataError

_CONTRADICTION = "the ions' files contradict each other; give different chains different ids:"


def merge_ions(records_by_ion: Mapping[str, Sequence[ResidueRecord]]) -> Sequence[ResidueRecord]:
    """One record per id, in order of first appearance; a `ChainTable`, unless a reader gave records it cannot hold.

    A chain keeps the labels of each ion whose file it stands in; for the others it is unknown, not negative.
    Raises `DataError` where an id cannot be used, has different sequences in two files, or is labelled twice for
    one ion.
    Chains of one sequence under several ids stay apart here; `assign_folds` keeps them in one fold.
    """
    for ion, records in records_by_ion.items():
        check_ids(ion, records)
    tables = [packed(records) for records in records_by_ion.values()]
    held = [table for table in tables if table is not None]
    joined = joined_tables(held) if held and len(held) == len(tables) else None
    # Record by record where a table cannot hold them, and to say what contradicts what.
    return _merged(records_by_ion.values()) if joined is None else joined


def _merged(parts: Iterable[Sequence[ResidueRecord]]) -> list[ResidueRecord]:
    merged: dict[str, ResidueRecord] = {}
    problems: list[str] = []
    for records in parts:
        for record in records:
            known = merged.get(record.id)
            if known is None:
                merged[record.id] = record
            elif known.sequence != record.sequence:
                problems.append(f"{record.id}: {_lengths(known)} but {_lengths(record)}, and not the same sequence")
            elif twice := sorted(known.labels.keys() & record.labels.keys()):
                problems.append(
                    f"{record.id}: labelled twice for {', '.join(twice)}: {known.source}, {record.source}"
                )
            else:
                labels = {**known.labels, **record.labels}
                merged[record.id] = replace(known, labels=labels, msa=known.msa or record.msa)
    if problems:
        raise DataError(_render(_CONTRADICTION, problems))
    return list(merged.values())


def check_ids(ion: str, records: Sequence[ResidueRecord]) -> None:
    """Raise `DataError` for records whose ids cannot be used, whichever reader they come from."""
    if isinstance(records, ChainTable) and plain_ids(records.columns.ids, records.rows):
        return
    faults = [(n, record, fault) for n, record in enumerate(records, start=1) if (fault := id_fault(record.id))]
    problems = [
        f"{record.source or f'record {n}'}: the id {shown_id(record.id)!r} {fault}" for n, record, fault in faults
    ]
    if problems:
        raise DataError(_render(f"the reader gave records for {ion} whose ids cannot be used:", problems))


def _lengths(record: ResidueRecord) -> str:
    return f"{len(record)} residues in {record.source or 'one file'}"


def _render(title: str, problems: list[str]) -> str:
    text = [title]
    text += [f"  {problem}" for problem in problems[:MAX_SHOWN]]
    if len(problems) > MAX_SHOWN:
        text.append(f"  and {len(problems) - MAX_SHOWN} more")
    return "\n".join(text)
