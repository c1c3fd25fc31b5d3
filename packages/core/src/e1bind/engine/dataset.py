"""The training data of a run: its chains, the folds they fall into, and what tells them from other data."""

from __future__ import annotations

from typing import Any

from e1bind.contracts import ResidueRecord
from e1bind.data.clusters import read_clusters
from e1bind.data.fold_plan import FoldPlan, assign_folds
from e1bind.data.records import merge_ions
from e1bind.engine.outcome import data_counts
from e1bind.engine.pipeline import Pipeline
from e1bind.runs.fingerprints import data_fingerprint, spec_fingerprint
from e1bind.spec import RunSpec


def read_training_data(pipeline: Pipeline) -> list[ResidueRecord]:
    """The training chains of all ions of the run, one record a chain. Raises `DataError`."""
    ions = pipeline.spec.training.ions
    return merge_ions({ion: pipeline.reader.read(ion, "train") for ion in ions})


def make_folds(spec: RunSpec, records: list[ResidueRecord]) -> FoldPlan:
    """One fold per chain for all ions. Raises `DataError`."""
    groups = None if spec.cv.groups is None else read_clusters(spec.cv.groups, (r.id for r in records))
    return assign_folds(records, spec.training.ions, spec.cv.folds, groups, spec.run.seed)


def data_facts(pipeline: Pipeline, records: list[ResidueRecord], plan: FoldPlan, processes: int) -> dict[str, Any]:
    """What a run is begun with: counts by ion; fingerprints of spec, chains, labels, alignments and folds."""
    return {
        "fingerprint": data_fingerprint(records, plan.fold_of),
        "spec": spec_fingerprint(pipeline.spec.resolved()),
        "ions": {ion: data_counts(records, ion) for ion in pipeline.spec.training.ions},
        "processes": processes,
    }
