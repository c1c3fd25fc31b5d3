"""What tells the training data of a run from others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from e1bind.contracts import ResidueRecord
from e1bind.data.fold_plan import FoldPlan
from e1bind.engine.outcome import data_counts
from e1bind.runs.fingerprints import data_fingerprint, spec_fingerprint
from e1bind.spec import RunSpec


def data_facts(spec: RunSpec, records: Sequence[ResidueRecord], plan: FoldPlan, processes: int) -> dict[str, Any]:
    """What a run is begun with: counts by ion; fingerprints of spec, chains, labels, alignments and folds."""
    return {
        "fingerprint": data_fingerprint(records, plan.fold_of),
        "spec": spec_fingerprint(spec.resolved()),
        "ions": {ion: data_counts(records, ion) for ion in spec.training.ions},
        "processes": processes,
    }
