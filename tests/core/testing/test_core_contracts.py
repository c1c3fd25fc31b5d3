"""What core ships passes the contracts it asks of others."""

from __future__ import annotations

from e1bind.builtin import e1bind_metrics
from e1bind.testing import (
    BaselineContract,
    CalibrationContract,
    HeadContract,
    MetricContract,
    ReaderContract,
    TrackerContract,
    ViewGeneratorContract,
)


class TestFasta3(ReaderContract):
    plugin = "e1bind-core/fasta3"


class TestStructures(ReaderContract):
    plugin = "e1bind-core/structures"


class TestBiotrainer(ReaderContract):
    plugin = "e1bind-core/biotrainer"


class TestMasked(ViewGeneratorContract):
    plugin = "e1bind-core/masked"


class TestMaskedHeavily(ViewGeneratorContract):
    plugin, options = "masked", {"num_variants": 2, "mask_prob_min": 0.3, "mask_prob_max": 0.4}


class TestMaskedWithOneContext(ViewGeneratorContract):
    plugin, options = "masked", {"resample_msa_per_variant": False}


class TestOneUnmaskedView(ViewGeneratorContract):
    plugin, options = "masked", {"num_variants": 1, "mask_prob_min": 0.0, "mask_prob_max": 0.0}


class TestPrototypeHead(HeadContract):
    plugin = "e1bind-core/prototype"


class TestLinearHead(HeadContract):
    plugin, options = "linear", {"dropout": 0.2}


class TestResidueType(BaselineContract):
    plugin = "residue-type"


class TestWindow(BaselineContract):
    plugin, options = "window", {"size": 5}


class TestFrozenProbe(BaselineContract):
    plugin = "frozen-probe"


class TestPlatt(CalibrationContract):
    plugin = "platt"


class TestIsotonic(CalibrationContract):
    plugin = "isotonic"


class TestJsonLines(TrackerContract):
    plugin, options = "jsonl", {"every_steps": 2}


class TestTensorBoard(TrackerContract):
    plugin = "tensorboard"


for _metric in e1bind_metrics():
    globals()[f"Test_{_metric.name}"] = type(_metric.name, (MetricContract,), {"plugin": _metric.name})
