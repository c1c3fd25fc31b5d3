"""The conformance kit: contracts to inherit in a plugin's own tests, and what `e1bind check-plugin` asks."""

from e1bind.testing.chains import tiny_chains, write_fasta3
from e1bind.testing.check import Broken, Check, DoesNotApply, Outcome
from e1bind.testing.contract import (
    BackboneContract,
    BaselineContract,
    CalibrationContract,
    Contract,
    HeadContract,
    LossContract,
    MetricContract,
    ReaderContract,
    TrackerContract,
    ViewGeneratorContract,
)
from e1bind.testing.plugin import check_plugin

__all__ = [
    "BackboneContract",
    "BaselineContract",
    "Broken",
    "CalibrationContract",
    "Check",
    "Contract",
    "DoesNotApply",
    "HeadContract",
    "LossContract",
    "MetricContract",
    "Outcome",
    "ReaderContract",
    "TrackerContract",
    "ViewGeneratorContract",
    "check_plugin",
    "tiny_chains",
    "write_fasta3",
]
