"""A resample of proteins, metric by metric: residues copied against counts worked out once (`metrics/sample.py`).

    uv run python -m benchmarks.intervals --proteins 1600 --draws 20

CPU time of one draw, one thread, the two in turns; equality (1e-12) is asserted before anything is timed.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import statistics
import time
from pkgutil import resolve_name

import numpy as np

from e1bind.contracts import MetricInputs
from e1bind.metrics.base import drawn_metric
from e1bind.metrics.catalog import metric_plugins
from e1bind.metrics.resampling import draws
from e1bind.metrics.sample import Drawn, Sample


def residues(proteins: int) -> MetricInputs:
    """Chains of 50 to 500 residues, one in sixty of which binds."""
    rng = np.random.default_rng(0)
    protein = np.repeat(np.arange(proteins), rng.integers(50, 500, proteins))
    labels = (rng.random(protein.size) < 1 / 60).astype(np.int8)
    scores = rng.normal(size=protein.size) - 3 + 3 * labels
    return MetricInputs(1 / (1 + np.exp(-scores)), labels, protein, 0.3)


def main() -> None:
    """Print JSON: milliseconds of a draw by metric."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--proteins", type=int, default=1600)
    parser.add_argument("--draws", type=int, default=20)
    arguments = parser.parse_args()
    inputs = residues(arguments.proteins)
    sample = Sample(inputs)
    drawn = list(draws(arguments.proteins, arguments.draws, 1))
    found: dict[str, dict[str, float]] = {}
    for plugin in metric_plugins():
        metric = resolve_name(plugin.target)(resolve_name(plugin.options)())
        counted = drawn_metric(metric, sample)

        def copied(times_P: np.ndarray, metric=metric) -> float:
            return float(metric(sample.copied(times_P)).value)

        assert all(abs(counted(times_P) - copied(times_P)) < 1e-12 for times_P in drawn[:3])
        found[plugin.name] = _timed({"copied": copied, "counted": counted}, drawn)
    print(json.dumps({"residues": inputs.labels.size, "proteins": arguments.proteins, "ms": found}, indent=2))


def _timed(variants: dict[str, Drawn], drawn: list[np.ndarray]) -> dict[str, float]:
    times: dict[str, list[float]] = {name: [] for name in variants}
    for times_P in drawn:
        for name, of in variants.items():
            begin = time.process_time()
            of(times_P)
            times[name].append(1000 * (time.process_time() - begin))
    return {name: round(statistics.median(values), 3) for name, values in times.items()}


if __name__ == "__main__":
    main()
