"""Options of the built-in trackers; imports nothing heavy."""

from __future__ import annotations

from pydantic import Field

from e1bind.spec import Options


class StepsOptions(Options):
    """What trackers of steps share."""

    every_steps: int = Field(1, ge=1, le=10**9, description="Optimizer steps from one that is kept to the next.")


class JsonLinesOptions(StepsOptions):
    """Lines of JSON in the run's folder."""


class TensorBoardOptions(StepsOptions):
    """Event files that TensorBoard reads."""

    figures: bool = Field(True, description="Show the figures of the finished run as well.")
