"""What two sets of chains share: ids, sequences, homologs; ion by ion, since a leak across ions is one as well."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from e1bind.curation.homologs import Criteria, Homologs, Method, find_homologs
from e1bind.curation.inputs import Chain


@dataclass(frozen=True)
class Shared:
    """How many chains of `first_ion` in the first set have the same id, sequence, or a homolog in the second one's
    `second_ion`; a homolog counts those of the same sequence too."""

    first_ion: str
    second_ion: str
    chains: int
    ids: int
    sequences: int
    homologs: int


@dataclass(frozen=True)
class Overlap:
    """Chains (ids of the first set) by what they share with the second; a row for each two ions."""

    ids: tuple[str, ...]
    sequences: tuple[str, ...]
    homologs: tuple[str, ...]
    rows: tuple[Shared, ...]
    search: Homologs

    @property
    def any(self) -> bool:
        """Whether the two share anything."""
        return bool(self.ids or self.homologs)

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        lists = {name: list(getattr(self, name)) for name in ("ids", "sequences", "homologs")}
        return {**lists, "ions": [vars(row) for row in self.rows], "search": self.search.as_json()}


def seen(
    chains: Iterable[tuple[str, str]], ids: Iterable[str], sequences: Iterable[str]
) -> tuple[list[str], list[str]]:
    """Of chains (id, sequence): those whose id, and those whose sequence, is among the given ones."""
    known_ids, known_sequences, chains = set(ids), set(sequences), list(chains)
    return (
        [name for name, _ in chains if name in known_ids],
        [name for name, sequence in chains if sequence in known_sequences],
    )


def overlap(
    first: Sequence[Chain], second: Sequence[Chain], criteria: Criteria, method: Method, threads: int = 1
) -> Overlap:
    """What the chains of the first set share with those of the second. Raises `UserError`."""
    ours, theirs = (list(dict.fromkeys(chain.sequence for chain in chains)) for chains in (first, second))
    search = find_homologs(ours, theirs, criteria, method, threads)
    related: dict[str, set[str]] = {sequence: set() for sequence in ours}
    for sequence in set(ours) & set(theirs):
        related[sequence].add(sequence)
    for one, other in search.pairs:
        related[ours[one]].add(theirs[other])
    rows = [_shared(a, b, first, second, related) for a in _ions(first) for b in _ions(second)]
    ids, sequences = seen(((c.id, c.sequence) for c in first), (c.id for c in second), theirs)
    homologs = tuple(chain.id for chain in first if related[chain.sequence])
    return Overlap(tuple(ids), tuple(sequences), homologs, tuple(rows), search)


def _ions(chains: Sequence[Chain]) -> list[str]:
    return list(dict.fromkeys(ion for chain in chains for ion in chain.ions))


def _shared(
    a: str, b: str, first: Sequence[Chain], second: Sequence[Chain], related: dict[str, set[str]]
) -> Shared:
    ours = [chain for chain in first if a in chain.ions]
    theirs = [chain for chain in second if b in chain.ions]
    ids, sequences = {chain.id for chain in theirs}, {chain.sequence for chain in theirs}
    same = seen(((c.id, c.sequence) for c in ours), ids, sequences)
    homologs = sum(not related[chain.sequence].isdisjoint(sequences) for chain in ours)
    return Shared(a, b, len(ours), len(same[0]), len(same[1]), homologs)
