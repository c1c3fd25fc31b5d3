"""What labelled chains hold: how many, how long, how many residues bind, which ones, and which ions go together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np

from e1bind.contracts import ResidueRecord

FEW = 50
"""Binding residues of an ion below which figures of it mean little."""


@dataclass(frozen=True)
class IonStatistics:
    """One ion: chains that are known for it, their residues, those with a known label, and those that bind.

    `lengths` are minimum, median and maximum; `binders` counts binding residues by letter, commonest first.
    """

    chains: int
    without_sites: int
    residues: int
    known: int
    binding: int
    lengths: tuple[int, float, int]
    binders: Mapping[str, int]

    @property
    def share(self) -> float:
        """Binding residues among those with a known label."""
        return self.binding / self.known if self.known else float("nan")

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        shortest, median, longest = self.lengths
        counts = {name: getattr(self, name) for name in ("chains", "without_sites", "residues", "known", "binding")}
        lengths = {"min": shortest, "median": median, "max": longest}
        return {**counts, "share": self.share, "length": lengths, "binders": dict(self.binders)}


@dataclass(frozen=True)
class Statistics:
    """All ions, and for each two of them the chains known for both and the residues that bind both."""

    chains: int
    ions: Mapping[str, IonStatistics]
    together: Mapping[tuple[str, str], tuple[int, int]]
    warnings: Sequence[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Plain values; pairs of ions are written `CA+ZN`."""
        pairs = {
            "+".join(pair): {"chains": chains, "binding_both": residues}
            for pair, (chains, residues) in self.together.items()
        }
        ions = {ion: of.as_json() for ion, of in self.ions.items()}
        return {"chains": self.chains, "ions": ions, "together": pairs, "warnings": list(self.warnings)}


def statistics(records: Sequence[ResidueRecord], ions: Sequence[str]) -> Statistics:
    """Count chains, one record each, as `read_chains` gives them."""
    counted = {ion: _of_ion([r for r in records if ion in r.labels], ion) for ion in ions}
    together = {pair: _together(records, *pair) for pair in combinations(ions, 2)}
    return Statistics(len(records), counted, together, _warnings(records, counted))


def _of_ion(records: Sequence[ResidueRecord], ion: str) -> IonStatistics:
    binders: Counter[str] = Counter()
    known = without = 0
    for record in records:
        labels_L = record.labels[ion]
        places = np.flatnonzero(labels_L == 1)
        binders.update(record.sequence[place] for place in places)
        known += int((labels_L >= 0).sum())
        without += not len(places)
    lengths = [len(record) for record in records] or [0]
    middle = (min(lengths), float(np.median(lengths)), max(lengths))
    common = dict(sorted(binders.items(), key=lambda item: (-item[1], item[0])))
    residues = sum(map(len, records))
    return IonStatistics(len(records), without, residues, known, sum(common.values()), middle, common)


def _together(records: Sequence[ResidueRecord], first: str, second: str) -> tuple[int, int]:
    both = [record for record in records if first in record.labels and second in record.labels]
    binding = sum(int(((r.labels[first] == 1) & (r.labels[second] == 1)).sum()) for r in both)
    return len(both), binding


def _warnings(records: Sequence[ResidueRecord], ions: Mapping[str, IonStatistics]) -> list[str]:
    found = []
    for ion, of in ions.items():
        if of.binding < FEW:
            found.append(f"{ion}: {of.binding} binding residues; figures of fewer than {FEW} mean little")
        if of.chains and of.without_sites == of.chains:
            found.append(f"{ion}: no chain has a binding residue; is it the right column, file or ion?")
    sequences = Counter(record.sequence for record in records)
    repeated = sum(count for count in sequences.values() if count > 1)
    if repeated:
        found.append(
            f"{repeated} chains share their sequence with another one; folds keep them together, but a test set "
            "with the same sequences is none"
        )
    return found
