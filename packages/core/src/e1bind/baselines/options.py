"""Options of the built-in baselines; imports nothing heavy."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from e1bind.spec import Options

Strength = Annotated[float, Field(gt=0)]


class ResidueTypeOptions(Options):
    """The residue type has nothing to choose."""


class WindowOptions(Options):
    """Logistic regression on a one-hot window."""

    size: int = Field(21, ge=1, le=1001, description="Residues of the window, the one in its middle included; odd.")
    strength: Strength = Field(1.0, description="Inverse of the L2 penalty (scikit-learn's C).")

    @field_validator("size")
    @classmethod
    def _has_a_middle(cls, size: int) -> int:
        if size % 2 == 0:
            raise ValueError(f"must be odd, so that the window has a middle, not {size}")
        return size


class FrozenProbeOptions(Options):
    """Logistic regression on frozen embeddings."""

    strengths: list[Strength] = Field(
        [1e-4, 1e-3, 1e-2, 1e-1],
        min_length=1,
        max_length=50,
        description="Inverse L2 penalties (scikit-learn's C) to choose from, inside the training chains.",
    )
