"""What labelled chains hold: how many, how long, how many residues bind, which ones, and which ions go together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from e1bind.contracts import ResidueRecord
from e1bind.data.chain_table import ChainTable
from e1bind.data.columns import counts_of, known_for, known_mask, lengths_of
from e1bind.data.groups import join_groups
from e1bind.data.packed_strings import starts_of

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
    counted = {ion: _of_ion(records, ion) for ion in ions}
    binding = {ion: _binding(records, ion) for ion in ions}
    known = {ion: known_mask(records, ion) for ion in ions}
    together = {}
    for one, other in combinations(ions, 2):
        both = np.intersect1d(binding[one], binding[other], assume_unique=True)
        together[one, other] = int((known[one] & known[other]).sum()), len(both)
    return Statistics(len(records), counted, together, _warnings(records, counted))


def _of_ion(records: Sequence[ResidueRecord], ion: str) -> IonStatistics:
    known = known_mask(records, ion)
    labelled, binding = (counts[known] for counts in counts_of(records, ion))
    lengths = lengths_of(records)[known] if known.any() else np.zeros(1, np.int64)
    common = sorted(_binders(records, ion).items(), key=lambda item: (-item[1], item[0]))
    return IonStatistics(
        chains=int(known.sum()),
        without_sites=int((binding == 0).sum()),
        residues=int(lengths.sum()),
        known=int(labelled.sum()),
        binding=int(binding.sum()),
        lengths=(int(lengths.min()), float(np.median(lengths)), int(lengths.max())),
        binders=dict(common),
    )


def _binders(records: Sequence[ResidueRecord], ion: str) -> Mapping[str, int]:
    """Binding residues by letter."""
    if isinstance(records, ChainTable):
        letters = np.bincount(records.columns.sequences.bytes_T[records.binding(ion)], minlength=256)
        return {chr(code): int(letters[code]) for code in np.flatnonzero(letters).tolist()}
    found: Counter[str] = Counter()
    for record in known_for(records, ion):
        found.update(record.sequence[place] for place in np.flatnonzero(record.labels[ion] == 1))
    return found


def _binding(records: Sequence[ResidueRecord], ion: str) -> NDArray[np.int64]:
    """All residues that bind the ion, as places in the sequences of all records one after the other."""
    if isinstance(records, ChainTable):
        return records.binding(ion)
    starts = starts_of(lengths_of(records)).tolist()
    found = [
        start + np.flatnonzero(record.labels[ion] == 1)
        for record, start in zip(records, starts[:-1], strict=True)
        if ion in record.labels
    ]
    return np.concatenate([np.zeros(0, np.int64), *found])


def _warnings(records: Sequence[ResidueRecord], ions: Mapping[str, IonStatistics]) -> list[str]:
    found = []
    for ion, of in ions.items():
        if of.binding < FEW:
            found.append(f"{ion}: {of.binding} binding residues; figures of fewer than {FEW} mean little")
        if of.chains and of.without_sites == of.chains:
            found.append(f"{ion}: no chain has a binding residue; is it the right column, file or ion?")
    chains_G = np.bincount(join_groups(records, None), minlength=1)
    repeated = int(chains_G[chains_G > 1].sum())
    if repeated:
        found.append(
            f"{repeated} chains share their sequence with another one; folds keep them together, but a test set "
            "with the same sequences is none"
        )
    return found
