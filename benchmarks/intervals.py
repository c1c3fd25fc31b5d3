"""A resample of proteins, metric by metric: residues copied against counts worked out once (`metrics/sample.py`).

    python -m benchmarks intervals [--proteins 1600] [--repeats 20]

CPU time of one draw, one thread, the two in turns; equality (1e-12) is asserted before anything is timed.
`--repeats` is the number of draws.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pkgutil import resolve_name

import numpy as np

from benchmarks._benchmark import Benchmark, Figures, Step, Table
from benchmarks._harness import medians, ratio, rounded, rounds
from e1bind.contracts import Metric, MetricInputs
from e1bind.metrics.base import drawn_metric
from e1bind.metrics.catalog import metric_plugins
from e1bind.metrics.resampling import draws
from e1bind.metrics.sample import Drawn, Sample, Times


def residues(proteins: int) -> MetricInputs:
    """Chains of 50 to 500 residues, one in sixty of which binds."""
    rng = np.random.default_rng(0)
    protein = np.repeat(np.arange(proteins), rng.integers(50, 500, proteins))
    labels = (rng.random(protein.size) < 1 / 60).astype(np.int8)
    scores = rng.normal(size=protein.size) - 3 + 3 * labels
    return MetricInputs(1 / (1 + np.exp(-scores)), labels, protein, 0.3)


def run(options: Namespace) -> Figures:
    """Milliseconds of a draw by metric."""
    inputs = residues(options.proteins)
    sample = Sample(inputs)
    drawn = list(draws(options.proteins, options.repeats + 1, 1))
    found: dict[str, dict[str, float]] = {}
    for plugin in metric_plugins():
        metric = resolve_name(plugin.target)(resolve_name(plugin.options)())
        ways = {"copied": copied(metric, sample), "counted": drawn_metric(metric, sample)}
        gap = max(abs(ways["counted"](times_P) - ways["copied"](times_P)) for times_P in drawn[:3])
        if not gap < 1e-12:
            raise SystemExit(f"{plugin.name}: counted and copied residues differ by {gap:.1e}; not timed")
        taken = rounds({name: over(drawn, of) for name, of in ways.items()}, options.repeats)
        ms = rounded({name: 1000 * value for name, value in medians(taken).items()})
        found[plugin.name] = {**ms, "ratio": round(ratio(taken, "counted", "copied"), 4)}
    return {"residues": int(inputs.labels.size), "proteins": options.proteins, "metrics": found}


def copied(metric: Metric, sample: Sample) -> Drawn:
    """The metric of the residues themselves, each as often as its protein is drawn."""
    return lambda times_P: float(metric(sample.copied(times_P)).value)


def over(drawn: list[Times], of: Drawn) -> Step:
    """One draw after the other, the same ones in the same rounds for all variants."""
    left = iter(drawn)
    return lambda: of(next(left))


def tables(found: Figures) -> list[Table]:
    """One, a row for each metric."""
    rows = [[name, *figures.values()] for name, figures in found["metrics"].items()]
    title = f"One resample of {found['proteins']:,} proteins, {found['residues']:,} residues"
    return [Table(title, ["metric", "residues copied, ms", "counted, ms", "ratio"], rows)]


def options(parser: ArgumentParser) -> None:
    """Its own."""
    parser.add_argument("--proteins", type=int, default=1600)
    parser.set_defaults(repeats=20)


BENCHMARK = Benchmark(run, tables, options, quick=["--proteins", "40", "--repeats", "2"])
