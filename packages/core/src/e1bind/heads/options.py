"""Options of the built-in heads; imports nothing heavy."""

from __future__ import annotations

from pydantic import Field

from e1bind.spec import Options


class PrototypeHeadOptions(Options):
    """The frozen prototypes of the pipeline have a table of their own, `[prototypes]`."""


class LinearHeadOptions(Options):
    """A linear classifier for each ion."""

    dropout: float = Field(0.0, ge=0, lt=1, description="Dropout on the standardised embeddings in training.")
