"""Out-of-fold metrics of finished runs with intervals over proteins, and how far each is above the first, paired.

The proteins are drawn alike for all runs (one seed), so that hard proteins do not widen the interval of a
difference. No plugin is loaded: only metrics that ship with e1bind are measured anew.

Shape legend: N labelled residues, P proteins.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pkgutil import resolve_name
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from e1bind.contracts import Metric, MetricInputs
from e1bind.metrics.base import drawn_metric
from e1bind.metrics.catalog import metric_plugins
from e1bind.metrics.paired import Range, difference
from e1bind.metrics.resampling import percentiles, too_few, values_drawn
from e1bind.metrics.sample import Sample
from e1bind.runs.coded_table import CodedTable
from e1bind.runs.oof_table import Table, of_ion_N
from e1bind.runs.reader import StoredRun

OURS = "e1bind-core/"
TOLERANCE = 1e-6
"""How far a metric of the stored predictions, which are float32, may be from the one in the summary."""


@dataclass(frozen=True)
class Resampled:
    """The metrics of one run and ion: intervals, what they are above the first run's, and why some have none."""

    intervals: Mapping[str, Range] = field(default_factory=dict)
    above_first: Mapping[str, Range] = field(default_factory=dict)
    remarks: Sequence[str] = ()


class Residues:
    """The labelled residues of one ion in a run's table, by chain and place whatever fold held them out."""

    def __init__(self, table: Table, ion: str, threshold: float) -> None:
        coded = CodedTable.of(table)
        keep_N = of_ion_N(coded, ion) & (table["label"] >= 0)
        self.chains, protein_N = coded.texts["protein"].numbered(keep_N)
        place_N = table["residue_index"][keep_N]
        order_N = np.lexsort((place_N, protein_N))
        self.place_N: NDArray[np.int32] = place_N[order_N]
        self.inputs = MetricInputs(
            table["probability"][keep_N][order_N].astype(np.float64),
            table["label"][keep_N][order_N],
            protein_N[order_N],
            threshold,
        )

    def same(self, other: Residues) -> bool:
        """Whether these are the other's residues, with the same labels."""
        pairs = (
            (self.chains, other.chains),
            (self.place_N, other.place_N),
            (self.inputs.protein, other.inputs.protein),
            (self.inputs.labels, other.inputs.labels),
        )
        return all(np.array_equal(ours, theirs) for ours, theirs in pairs)


class DrawnRun:
    """One run's out-of-fold predictions, measured on draws of proteins."""

    def __init__(self, stored: StoredRun, resamples: int, seed: int) -> None:
        self.stored, self.resamples, self.seed = stored, resamples, seed
        self._ions: dict[str, _DrawnIon] = {}

    @cached_property
    def table(self) -> Table:
        """Out-of-fold predictions. Raises `RunError`."""
        return self.stored.oof()

    def ion(self, ion: str) -> _DrawnIon:
        """What is drawn of an ion; made once."""
        if ion not in self._ions:
            residues = Residues(self.table, ion, self.stored.summary.oof[ion].threshold)
            self._ions[ion] = _DrawnIon(self, ion, residues)
        return self._ions[ion]


class _DrawnIon:
    def __init__(self, run: DrawnRun, ion: str, residues: Residues) -> None:
        self.residues = residues
        sample = Sample(residues.inputs)
        self.proteins = sample.proteins
        functions = {name: drawn_metric(metric, sample) for name, metric in _metrics(run.stored.resolved).items()}
        value = {name: of(sample.once) for name, of in functions.items()}
        told = run.stored.summary.oof[ion].metrics
        self.changed = [name for name in value if name in told and not _alike(value[name], told[name])]
        self.value = {name: told[name] for name in value if name in told and name not in self.changed}
        known = {name: functions[name] for name in self.value}
        self.drawn = values_drawn(known, self.proteins, run.resamples, run.seed) if known else {}


def _alike(ours: float, told: float) -> bool:
    return abs(ours - told) <= TOLERANCE or (math.isnan(ours) and math.isnan(told))


def _metrics(resolved: Mapping[str, Any]) -> dict[str, Metric]:
    """The metrics of a resolved spec that ship with e1bind, by their name in the run."""
    ours = {OURS + plugin.name: plugin for plugin in metric_plugins()}
    found: dict[str, Metric] = {}
    tables = resolved.get("metrics", {})
    for name, table in tables.items() if isinstance(tables, Mapping) else ():
        plugin = ours.get(str(table.get("use"))) if isinstance(table, Mapping) else None
        if plugin is None:
            continue
        options = resolve_name(plugin.options)
        try:
            chosen = options.model_validate({key: value for key, value in table.items() if key != "use"})
        except ValidationError:
            continue  # another version's options: the run is shown without an interval for it
        found[name] = resolve_name(plugin.target)(chosen)
    return found


def resampled(run: DrawnRun, first: DrawnRun, ion: str) -> Resampled:
    """The metrics of `run`, and what they are above those of `first`. Both know the ion, or nothing is paired."""
    if ion not in run.stored.summary.oof:
        return Resampled()
    own = run.ion(ion)
    intervals = {name: Range(value, *percentiles(own.drawn[name])) for name, value in own.value.items()}
    if run is first or ion not in first.stored.summary.oof:
        return Resampled(intervals, {}, list(_remarks(own, ion)))
    theirs = first.ion(ion)
    if not own.residues.same(theirs.residues):
        apart = f"{ion}: has other residues or labels than the first run; their difference is not paired"
        return Resampled(intervals, {}, [*_remarks(own, ion), apart])
    above = {
        name: difference((value, own.drawn[name]), (theirs.value[name], theirs.drawn[name]))
        for name, value in own.value.items()
        if name in theirs.value
    }
    return Resampled(intervals, above, list(_remarks(own, ion)))


def _remarks(own: _DrawnIon, ion: str) -> Iterator[str]:
    if few := too_few(own.proteins):
        yield f"{ion}: {few}"
    if own.changed:
        yield (
            f"{ion}: {', '.join(own.changed)} of its summary is not that of its predictions and this version; "
            "no interval"
        )
