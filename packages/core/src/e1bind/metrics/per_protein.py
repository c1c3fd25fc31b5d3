"""A metric within each protein, averaged over the proteins in which it is defined.

Every protein counts the same, however long. A protein without positives has no ranking to judge and is left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from e1bind.contracts import Metric, MetricInputs, MetricOutput
from e1bind.metrics.base import BinaryMetric, undefined
from e1bind.metrics.curves import Auprc, Auroc
from e1bind.metrics.decisions import F1, Mcc
from e1bind.metrics.options import DecisionOptions, NoOptions
from e1bind.metrics.sample import Drawn, Sample, Times


def by_protein(inputs: MetricInputs) -> Iterator[MetricInputs]:
    """The residues protein by protein, in order of the protein index; rows need not be grouped."""
    protein_N = inputs.protein
    if protein_N.size == 0:
        return
    if np.any(protein_N[1:] < protein_N[:-1]):
        order_N = np.argsort(protein_N, kind="stable")
        inputs = replace(
            inputs,
            probabilities=inputs.probabilities[order_N],
            labels=inputs.labels[order_N],
            protein=protein_N[order_N],
        )
    cuts = np.flatnonzero(np.diff(inputs.protein)) + 1
    starts, stops = [0, *cuts.tolist()], [*cuts.tolist(), protein_N.size]
    for start, stop in zip(starts, stops, strict=True):
        part = slice(start, stop)
        yield replace(
            inputs,
            probabilities=inputs.probabilities[part],
            labels=inputs.labels[part],
            protein=inputs.protein[part],
        )


class ProteinMean(BinaryMetric):
    """Mean over proteins of `within`, a metric of one protein's residues."""

    within: Metric

    def measure(self, inputs: MetricInputs) -> MetricOutput:
        if inputs.protein.shape != inputs.labels.shape:
            raise ValueError(f"protein {inputs.protein.shape} must have one entry per label {inputs.labels.shape}")
        values = [self.within(part).value for part in by_protein(inputs)]
        defined = [value for value in values if not math.isnan(value)]
        if not defined:
            return undefined(f"none of the {len(values)} proteins has residues of both classes")
        return MetricOutput(math.fsum(defined) / len(defined))

    def measure_drawn(self, sample: Sample) -> Drawn:
        values_P = np.array([self.within(part).value for part in by_protein(sample.inputs)])
        defined_P = ~np.isnan(values_P)

        def value(times_P: Times) -> float:
            times = times_P[defined_P]
            return float((times @ values_P[defined_P]) / times.sum()) if times.any() else math.nan

        return value


class AuprcPerProtein(ProteinMean):
    """Mean average precision within a protein, in [0, 1]."""

    def __init__(self, options: NoOptions) -> None:
        self.within = Auprc(options)


class AurocPerProtein(ProteinMean):
    """Mean area under the ROC curve within a protein, in [0, 1]."""

    def __init__(self, options: NoOptions) -> None:
        self.within = Auroc(options)


class F1PerProtein(ProteinMean):
    """Mean F1 within a protein at the common threshold, in [0, 1]."""

    def __init__(self, options: DecisionOptions) -> None:
        self.within = F1(options)


class MccPerProtein(ProteinMean):
    """Mean Matthews correlation within a protein at the common threshold, in [-1, 1]."""

    def __init__(self, options: DecisionOptions) -> None:
        self.within = Mcc(options)
