"""Chains as a notebook gives them, read by the rules of `predict`: the first one that breaks a rule is an error."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from e1bind.contracts import ResidueRecord
from e1bind.data.fasta import BadRecord, read_fasta
from e1bind.data.ids import id_fault, shown_id
from e1bind.data.letters import letters_fault, read_letters
from e1bind.errors import DataError

Chains = str | Path | Mapping[str, str] | Iterable[ResidueRecord | tuple[str, str]]
"""A FASTA file (plain or gzip); sequences by id; or records, or pairs of id and sequence."""
_RARE = "rare_to_x=True"


def given_chains(chains: Chains, rare_to_x: bool) -> Iterator[ResidueRecord]:
    """The chains as records, in order. Raises `DataError` for the first that cannot be read, or comes again."""
    if isinstance(chains, str | Path):
        yield from _of_file(Path(chains), rare_to_x)
        return
    seen: set[str] = set()
    pairs: Iterable[Any] = chains.items() if isinstance(chains, Mapping) else chains
    for number, given in enumerate(pairs, start=1):
        record = _record(given, number, rare_to_x)
        if record.id in seen:
            raise DataError(f"{shown_id(record.id)} was given before; give each chain an id of its own")
        seen.add(record.id)
        yield record


def given_chain(name: str, sequence: str, rare_to_x: bool, msa: Path | None = None) -> ResidueRecord:
    """One chain: letters in either case, white space left out. Raises `DataError`."""
    if fault := id_fault(name):
        raise DataError(f"the id {shown_id(name)!r} {fault}")
    if not isinstance(sequence, str):
        raise DataError(f"{name}: a sequence is a string of one-letter residues, not {type(sequence).__name__}")
    letters = read_letters("".join(sequence.split()), rare_to_x)
    if not letters:
        raise DataError(f"{name}: no sequence; give its residues as one-letter codes")
    if fault_at := letters_fault(letters, _RARE):
        raise DataError(f"{name}: {fault_at[1]}")
    return ResidueRecord(name, letters, msa=msa)


def _record(given: Any, number: int, rare_to_x: bool) -> ResidueRecord:
    if isinstance(given, ResidueRecord):
        return given_chain(given.id, given.sequence, rare_to_x, given.msa)
    if not (isinstance(given, tuple | list) and len(given) == 2):
        raise DataError(
            f"chain {number} is of type {type(given).__name__}; give sequences by id, pairs of id and sequence, "
            "records, or the path of a FASTA file"
        )
    name, sequence = given
    return given_chain(name, sequence, rare_to_x)


def _of_file(path: Path, rare_to_x: bool) -> Iterator[ResidueRecord]:
    def stop(bad: BadRecord) -> NoReturn:
        raise DataError(f"{path}: {bad}")

    return read_fasta(path, stop, rare_to_x)
