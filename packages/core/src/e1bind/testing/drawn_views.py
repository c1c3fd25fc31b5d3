"""Views of the kit's chains, written so that two processes can compare them; no torch, so that they begin soon."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from e1bind.contracts import DrawKey, ResidueRecord, View, ViewGenerator
from e1bind.testing.chains import tiny_chains


class Homologues:
    """A context source that makes up sequences, and counts how often it was asked."""

    def __init__(self) -> None:
        self.drawn: set[tuple[str, ...]] = set()

    def draw(self, record: ResidueRecord, rng: np.random.Generator) -> tuple[str, ...]:
        """Two shortened copies of the chain, where they end being drawn."""
        context = tuple(record.sequence[: int(stop)] for stop in rng.integers(2, len(record) + 1, 2))
        self.drawn.add(context)
        return context


def key_of(record: ResidueRecord, epoch: int = 1, seed: int = 1) -> DrawKey:
    """The key of a chain's draw in an epoch."""
    return DrawKey(seed, epoch, record.id)


def views_as_text(views: ViewGenerator, records: Sequence[ResidueRecord] | None = None) -> list[list[str]]:
    """For each of the kit's chains each of its views as one string; the same string, the same view."""
    return [
        [text_of(view) for view in views.generate(record, key_of(record), None)]
        for record in (tiny_chains() if records is None else records)
    ]


def text_of(view: View) -> str:
    selected = "".join("x" if one else "." for one in view.selected)
    return f"{view.visible} {selected} {' '.join(view.context)}"
