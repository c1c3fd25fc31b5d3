"""A spec's data as training would take them, read and folded before there is any training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from e1bind.contracts import ResidueRecord
from e1bind.curation.folding import make_folds
from e1bind.curation.reading import named_splits, read_chains
from e1bind.curation.statistics import IonStatistics, Statistics, statistics
from e1bind.data.columns import aligned_mask, known_mask
from e1bind.data.fold_plan import FoldCount
from e1bind.errors import DataError
from e1bind.spec import RunSpec


@dataclass(frozen=True)
class SplitData:
    """The chains of a split: counts by ion, and of how many chains of each ion there is an alignment."""

    statistics: Statistics
    aligned: Mapping[str, int]

    @property
    def ions(self) -> Mapping[str, IonStatistics]:
        """Counts by ion."""
        return self.statistics.ions

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        counts = self.statistics.as_json()
        ions = {ion: {**of, "aligned": self.aligned[ion]} for ion, of in counts["ions"].items()}
        return {"chains": counts["chains"], "ions": ions, "warnings": counts["warnings"]}


@dataclass(frozen=True)
class Rehearsal:
    """What was read, by split, and what each fold would hold of each ion."""

    splits: Mapping[str, SplitData]
    folds: Sequence[FoldCount]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "splits": {name: split.as_json() for name, split in self.splits.items()},
            "folds": [asdict(count) for count in self.folds],
        }


def rehearse(spec: RunSpec) -> Rehearsal:
    """Read every split that the spec names, and fold the training chains.

    Raises `DataError` with the problems of all files at once; of the folds, once the training chains are right.
    """
    splits: dict[str, SplitData] = {}
    folds: Sequence[FoldCount] = ()
    problems = []
    for split in named_splits(spec):
        try:
            records = read_chains(spec, split)
            splits[split] = _counted(records, spec.training.ions)
            folds = make_folds(spec, records).counts if split == "train" else folds
        except DataError as error:
            problems.append(str(error))
    if problems:
        raise DataError("\n".join(problems))
    return Rehearsal(splits, folds)


def _counted(records: Sequence[ResidueRecord], ions: Sequence[str]) -> SplitData:
    aligned_N = aligned_mask(records)
    aligned = {ion: int((aligned_N & known_mask(records, ion)).sum()) for ion in ions}
    return SplitData(statistics(records, ions), aligned)
