"""View generator `masked`: BERT-style masking of the query, with a share of its own in every view.

For each view a share p is drawn evenly from [mask_prob_min, mask_prob_max] and each residue is selected with
probability p. Of the selected residues 80 % are hidden, 10 % replaced by one of the 20 standard residues, 10 % kept
(Devlin et al. 2019, section 3.1); all of them are predicted. Residues that are not one of the 20 (X) are never
selected: there is nothing to predict. A view never hides all residues of a chain.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from e1bind.contracts import MASK, STANDARD_RESIDUES, ContextSource, DrawKey, ResidueRecord, View
from e1bind.views.options import MaskedOptions

_RESIDUES = np.frombuffer(STANDARD_RESIDUES.encode(), dtype=np.uint8)


class MaskedViews:
    """Makes `num_variants` views of a chain; every draw depends on the key and the view alone."""

    def __init__(self, options: MaskedOptions) -> None:
        self.options = options
        self.num_views = options.num_variants

    def generate(self, record: ResidueRecord, key: DrawKey, contexts: ContextSource | None) -> list[View]:
        """V views of `record`; with one shared context all of them hold the same tuple."""
        shared = () if self.options.resample_msa_per_variant else _context(record, key, contexts, 0)
        views = []
        for v in range(self.num_views):
            context = _context(record, key, contexts, v) if self.options.resample_msa_per_variant else shared
            visible, selected = self._mask(record.sequence, key.rng("mask", v))
            views.append(View(record.sequence, visible, selected, context))
        return views

    def _mask(self, sequence: str, rng: np.random.Generator) -> tuple[str, NDArray[np.bool_]]:
        """What is visible of the sequence, and which residues are selected [L]."""
        truth_L = np.frombuffer(sequence.encode("ascii"), dtype=np.uint8)
        share = rng.uniform(self.options.mask_prob_min, self.options.mask_prob_max)
        selected_L = (rng.random(len(truth_L)) < share) & np.isin(truth_L, _RESIDUES)
        fate_L = rng.random(len(truth_L))
        hidden_L = selected_L & (fate_L < self.options.mask_share)
        replaced_L = selected_L & ~hidden_L & (fate_L < self.options.mask_share + self.options.random_share)
        if hidden_L.all():
            hidden_L[rng.integers(len(truth_L))] = False
        visible_L = np.where(replaced_L, rng.choice(_RESIDUES, len(truth_L)), truth_L)
        visible_L[hidden_L] = ord(MASK)
        return visible_L.tobytes().decode("ascii"), selected_L


def unmasked_view(
    record: ResidueRecord, key: DrawKey, contexts: ContextSource | None = None, view: int = 0
) -> View:
    """The chain as it is, for prototypes and scoring; `view` numbers the contexts where several are averaged."""
    return View.unmasked(record.sequence, _context(record, key, contexts, view))


def _context(record: ResidueRecord, key: DrawKey, contexts: ContextSource | None, view: int) -> tuple[str, ...]:
    return () if contexts is None else contexts.draw(record, key.rng("context", view))
