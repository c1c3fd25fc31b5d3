"""All chains that a spec names, and all problems of all its files at once."""

from __future__ import annotations

from collections.abc import Sequence

from e1bind.contracts import Reader, ResidueRecord
from e1bind.data.guarded_reader import GuardedReader
from e1bind.data.records import merge_ions
from e1bind.errors import DataError
from e1bind.spec import RunSpec
from e1bind.spec.named_files import SPLITS


def named_splits(spec: RunSpec, wanted: Sequence[str] = SPLITS) -> list[str]:
    """Those of the wanted splits that the spec names data for; a reader without an option `test` names none."""
    return [split for split in wanted if split != "test" or getattr(spec.data.options, "test", None) is not None]


def read_chains(spec: RunSpec, split: str) -> Sequence[ResidueRecord]:
    """The chains of all ions of a split, one record a chain, in order of first appearance; raises as below."""
    return merge_ions(read_by_ion(spec, split))


def read_by_ion(spec: RunSpec, split: str) -> dict[str, Sequence[ResidueRecord]]:
    """The chains of each ion of a split, in the order of its file; raises as below."""
    return read_ions(GuardedReader(spec.data), spec.training.ions, split)


def read_ions(reader: Reader, ions: Sequence[str], split: str) -> dict[str, Sequence[ResidueRecord]]:
    """The chains that a reader has of each ion.

    Raises `DataError` with the problems of all ions' files, not of the first alone; `ContractError` for a reader
    that breaks its contract.
    """
    by_ion: dict[str, Sequence[ResidueRecord]] = {}
    problems: list[str] = []
    for ion in ions:
        try:
            by_ion[ion] = reader.read(ion, split)
        except DataError as error:
            problems += [str(error)] * (str(error) not in problems)  # one file may hold several ions
    if problems:
        raise DataError("\n".join(problems))
    return by_ion
