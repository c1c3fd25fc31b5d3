"""Options of the built-in metrics; imports nothing heavy."""

from __future__ import annotations

from pydantic import Field

from e1bind.spec import Options


class NoOptions(Options):
    """Of the metrics that have nothing to choose."""


class HraOptions(Options):
    """Of the area under the high-recall end of the precision-recall curve."""

    min_recall: float = Field(0.7, ge=0, lt=1, description="Recall from which the area is counted, up to 1.")


class DecisionOptions(Options):
    """Of the metrics that look at calls, which are `probability >= threshold`."""

    default_threshold: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Threshold where none has been chosen yet, that is, during training. 0.5 calls a residue that "
        "is nearer to the prototype of binding residues than to the other one.",
    )


class EceOptions(Options):
    """Of the expected calibration error."""

    bins: int = Field(15, ge=1, le=10_000, description="Number of bins of equal width over [0, 1].")
