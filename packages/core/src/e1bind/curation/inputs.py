"""Chains as the commands on groups take them: a spec, FASTA, or a FASTA for each ion, without their labels."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from e1bind.curation.reading import named_splits, read_chains
from e1bind.data.fasta import BadRecord, read_fasta
from e1bind.errors import DataError
from e1bind.spec import load_spec

NO_ION = "-"
"""The ion of chains that come from a file which names none."""


@dataclass(frozen=True)
class Chain:
    """A chain's id, its residues, and the ions it is known for (or `NO_ION`)."""

    id: str
    sequence: str
    ions: tuple[str, ...]


def read_input(source: Path, splits: Sequence[str], overrides: Sequence[str] = ()) -> list[Chain]:
    """The chains of a spec (.toml; those of `splits`), of a FASTA file, or of all files of a path with {ion}.

    Each id once. Raises `DataError`, also where an id has two sequences.
    """
    if source.suffix.lower() == ".toml":
        return joined(_of_spec(source, splits, overrides), source)
    if "{ion}" not in str(source):
        return joined(_of_fasta(source, NO_ION), source)
    before, _, after = str(source).partition("{ion}")
    files = sorted(glob.glob(f"{glob.escape(before)}*{glob.escape(after)}"))
    named = [(file.removeprefix(before).removesuffix(after), Path(file)) for file in files]
    if not named:
        raise DataError(f"{source}: no file fits; {{ion}} stands for the part of the name that is the ion")
    return joined((chain for ion, file in named for chain in _of_fasta(file, ion)), source)


def joined(chains: Iterable[Chain], source: Path) -> list[Chain]:
    """Each id once, with the ions of all its records. Raises `DataError` where an id has two sequences."""
    found: dict[str, Chain] = {}
    for chain in chains:
        known = found.setdefault(chain.id, chain)
        if known.sequence != chain.sequence:
            raise DataError(
                f"{source}: {chain.id} has two different sequences; give different chains different ids"
            )
        found[chain.id] = Chain(chain.id, chain.sequence, tuple(dict.fromkeys((*known.ions, *chain.ions))))
    return list(found.values())


def _of_spec(source: Path, splits: Sequence[str], overrides: Sequence[str]) -> Iterable[Chain]:
    run = load_spec(source, list(overrides))
    for split in named_splits(run, splits):
        for record in read_chains(run, split):
            yield Chain(record.id, record.sequence, tuple(record.labels))


def _of_fasta(source: Path, ion: str) -> Iterable[Chain]:
    def refuse(bad: BadRecord) -> None:
        raise DataError(f"{source}: {bad}")

    return (Chain(record.id, record.sequence, (ion,)) for record in read_fasta(source, refuse))
