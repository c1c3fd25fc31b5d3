"""The typed values that flow from stage to stage, and what a component of each kind must do.

This module imports no torch: tensors appear in annotations only, so that a spec can be validated without it.

Shape legend, for this module and every one that works on these values:

    B proteins in a batch        V views of a protein       L residues of one protein
    R residues of all B proteins D embedding width          K masked (residue, view) pairs
    M rows of a token batch      T tokens of a row          C entries of the backbone's vocabulary
    N scored residues
"""

from e1bind.contracts.backbone import Adjustable, Backbone, CheckpointWriter, TokenBatch, ViewEncoder
from e1bind.contracts.baselines import Baseline, BaselineChain
from e1bind.contracts.calibrations import Calibration
from e1bind.contracts.heads import Head, HeadInputs, HeadModule, HeadStart
from e1bind.contracts.losses import Loss, LossInputs, LossOutput, MaskedTokens, ResidueViews
from e1bind.contracts.metrics import Metric, MetricInputs, MetricOutput
from e1bind.contracts.residues import STANDARD_RESIDUES, UNKNOWN, Reader, ResidueRecord
from e1bind.contracts.trackers import RunStatus, TrackedRun, Tracker
from e1bind.contracts.views import MASK, ContextSource, DrawKey, View, ViewGenerator

__all__ = [
    "MASK",
    "STANDARD_RESIDUES",
    "UNKNOWN",
    "Adjustable",
    "Backbone",
    "Baseline",
    "BaselineChain",
    "Calibration",
    "CheckpointWriter",
    "ContextSource",
    "DrawKey",
    "Head",
    "HeadInputs",
    "HeadModule",
    "HeadStart",
    "Loss",
    "LossInputs",
    "LossOutput",
    "MaskedTokens",
    "Metric",
    "MetricInputs",
    "MetricOutput",
    "Reader",
    "ResidueRecord",
    "ResidueViews",
    "RunStatus",
    "TokenBatch",
    "TrackedRun",
    "Tracker",
    "View",
    "ViewEncoder",
    "ViewGenerator",
]
