"""Labelled chains, and what reads them.

Shape legend: L residues of a chain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

STANDARD_RESIDUES = "ACDEFGHIKLMNPQRSTVWY"
UNKNOWN = -1
"""The label of a residue of which nothing is known for an ion."""


@dataclass(frozen=True, eq=False)
class ResidueRecord:
    """One chain: its residues, and for each ion it was observed with a label per residue.

    `labels` maps an ion to int8 [L] of 0, 1 or `UNKNOWN`; an ion that is absent is unknown everywhere.
    `msa` is the chain's alignment (a3m), `source` says where the record was read ("file:line"),
    `description` what else the file says of the chain, on one line.
    """

    id: str
    sequence: str
    labels: Mapping[str, NDArray[np.int8]] = field(default_factory=dict)
    msa: Path | None = None
    source: str = ""
    description: str = ""

    def __len__(self) -> int:
        return len(self.sequence)

    def positives(self, ion: str) -> int:
        """Number of residues labelled 1 for `ion`."""
        return int((self.labels[ion] == 1).sum()) if ion in self.labels else 0

    def window(self, start: int, stop: int) -> ResidueRecord:
        """The residues [start, stop) with their labels, under the same id."""
        labels = {ion: values[start:stop] for ion, values in self.labels.items()}
        return replace(self, sequence=self.sequence[start:stop], labels=labels)


class Reader(Protocol):
    """Reads labelled chains. Built as `target(options)`."""

    def read(self, ion: str, split: str) -> Sequence[ResidueRecord]:
        """The records of one ion, a list; `split` is "train" or "test". Raises `DataError`."""
        ...
