"""What a model gets to see of a chain, and what makes it.

Shape legend: V views of a chain, L residues of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from e1bind.contracts.residues import ResidueRecord

MASK = "?"
"""How a masked residue is written in `View.visible`; every backbone puts its own mask token there."""


@dataclass(frozen=True)
class DrawKey:
    """What a random draw may depend on. Never on worker, rank or order: the same key, the same draw."""

    run_seed: int
    epoch: int
    protein: str

    def rng(self, purpose: str, view: int = 0) -> np.random.Generator:
        """A generator of its own for each (key, purpose, view)."""
        text = f"{self.run_seed}/{self.epoch}/{self.protein}/{purpose}/{view}"
        return np.random.default_rng(int.from_bytes(blake2b(text.encode(), digest_size=16).digest(), "big"))


@dataclass(frozen=True, eq=False)
class View:
    """One view of one chain: what the model gets to see of it.

    `visible` has L characters: residues, with `MASK` where a residue is hidden. `selected` [L] is true where a
    residue was selected for masked-LM prediction, whether it is hidden, replaced or kept. `truth` is the chain
    itself. `context` are homologous sequences (upper case, no gaps) the model may read before the query.
    """

    truth: str
    visible: str
    selected: NDArray[np.bool_]
    context: tuple[str, ...] = ()

    @classmethod
    def unmasked(cls, sequence: str, context: tuple[str, ...] = ()) -> View:
        """The chain as it is."""
        return cls(sequence, sequence, np.zeros(len(sequence), dtype=bool), context)


class ContextSource(Protocol):
    """Draws homologous sequences for a chain."""

    def draw(self, record: ResidueRecord, rng: np.random.Generator) -> tuple[str, ...]:
        """Context sequences for one view; empty where the chain has no alignment."""
        ...


class ViewGenerator(Protocol):
    """Makes the V training views of a chain. Built as `target(options)`; must be picklable."""

    num_views: int

    def generate(self, record: ResidueRecord, key: DrawKey, contexts: ContextSource | None) -> list[View]:
        """`num_views` views, a function of the arguments only; no context where `contexts` is None."""
        ...
