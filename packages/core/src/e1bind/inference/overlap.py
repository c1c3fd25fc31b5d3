"""Test chains that training has seen: the same id or the same sequence.

The training chains are read from the run's own out-of-fold table, which holds every residue of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from e1bind.contracts import ResidueRecord
from e1bind.curation.overlap import seen
from e1bind.runs.oof_table import Table

SHOWN = 5


@dataclass(frozen=True)
class Overlap:
    """Ids of test chains whose id, or whose sequence, stands in the training data of any ion of the run."""

    ids: tuple[str, ...]
    sequences: tuple[str, ...]

    def warnings(self, ion: str) -> list[str]:
        """What a reader of the figures must know."""
        warnings = []
        for chains, what in ((self.ids, "ids"), (self.sequences, "sequences")):
            if chains:
                shown = ", ".join(chains[:SHOWN]) + (", ..." if len(chains) > SHOWN else "")
                warnings.append(
                    f"{ion}: {len(chains)} test chains have {what} that stand in the training data ({shown}): the "
                    "figures are too good by what the model remembers of them"
                )
        return warnings


def training_sequences(table: Table) -> dict[str, str]:
    """Every training chain's sequence, by id."""
    ids = table["protein"]
    if not ids.size:
        return {}
    ions = table["ion"]
    cuts = np.flatnonzero((ids[1:] != ids[:-1]) | (ions[1:] != ions[:-1])) + 1
    letters = np.split(table["amino_acid"], cuts)
    return {str(ids[start]): "".join(part.tolist()) for start, part in zip([0, *cuts], letters, strict=True)}


def overlap(records: Sequence[ResidueRecord], trained: dict[str, str]) -> Overlap:
    """Which of `records` the training has seen."""
    ids, sequences = seen(((record.id, record.sequence) for record in records), trained, trained.values())
    return Overlap(tuple(ids), tuple(sequences))
