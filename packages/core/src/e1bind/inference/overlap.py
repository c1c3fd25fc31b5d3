"""Test chains that training has seen: the same id or the same sequence.

The training chains are read from the run's own out-of-fold table, which holds every residue of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from e1bind.contracts import ResidueRecord
from e1bind.curation.overlap import seen
from e1bind.runs.coded_table import CodedTable
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
    coded = CodedTable.of(table)
    ids, ions = coded.texts["protein"], coded.texts["ion"]
    if not ids.code_N.size:
        return {}
    changes = (ids.code_N[1:] != ids.code_N[:-1]) | (ions.code_N[1:] != ions.code_N[:-1])
    cuts = np.flatnonzero(changes) + 1
    letters = np.split(coded["amino_acid"], cuts)
    names = ids.names[ids.code_N[np.append(0, cuts)]].tolist()
    return {name: "".join(part.tolist()) for name, part in zip(names, letters, strict=True)}


def overlap(records: Sequence[ResidueRecord], trained: dict[str, str]) -> Overlap:
    """Which of `records` the training has seen."""
    ids, sequences = seen(((record.id, record.sequence) for record in records), trained, trained.values())
    return Overlap(tuple(ids), tuple(sequences))
