"""The folds that training makes of a spec's chains."""

from __future__ import annotations

from collections.abc import Sequence

from e1bind.contracts import ResidueRecord
from e1bind.data.fold_plan import FoldPlan, assign_folds
from e1bind.data.packed_clusters import clusters_of
from e1bind.spec import RunSpec


def make_folds(spec: RunSpec, records: Sequence[ResidueRecord]) -> FoldPlan:
    """One fold per chain for all ions. Raises `DataError`."""
    groups = None if spec.cv.groups is None else clusters_of(spec.cv.groups, records)
    return assign_folds(records, spec.training.ions, spec.cv.folds, groups, spec.run.seed)
