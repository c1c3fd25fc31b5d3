"""Options of the tracker; imports nothing heavy."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from e1bind.spec import Options


class WandbOptions(Options):
    """Options of `[trackers.wandb]`."""

    project: str = Field("e1bind", min_length=1, max_length=128, description="Project of the runs.")
    entity: str | None = Field(None, description="User or team; absent: the one that is logged in.")
    mode: Literal["online", "offline"] = Field(
        "online",
        description="offline: into the run's folder, for `wandb sync` later; a cluster node has no network.",
    )
    tags: list[str] = Field([], max_length=50, description="Words to find the run by.")
    every_steps: int = Field(10, ge=1, le=10**9, description="Optimizer steps from one that is told to the next.")

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        """Without a network."""
        return {"mode": "offline", "every_steps": 1}
