"""Views with conservative substitutions: nothing is hidden, some residues are others like them.

Shape legend: L residues of a chain.
"""

import numpy as np

from conservative_views.blosum import substitutes
from conservative_views.options import ConservativeOptions
from e1bind.contracts import ContextSource, DrawKey, ResidueRecord, View


class ConservativeViews:
    """A function of the draw key alone. Replaced residues count as masked: their labels are not learned from them.

    A residue without a substitute that scores high enough (C has none from 1 on) stays as it is.
    """

    def __init__(self, options: ConservativeOptions) -> None:
        self.num_views, self.share = options.num_variants, options.share
        self.substitutes = substitutes(options.least_score)

    def generate(self, record: ResidueRecord, key: DrawKey, contexts: ContextSource | None) -> list[View]:
        """`num_views` views of `record`, each with its own substitutions and context."""
        return [self._view(record, key, contexts, v) for v in range(self.num_views)]

    def _view(self, record: ResidueRecord, key: DrawKey, contexts: ContextSource | None, v: int) -> View:
        rng = key.rng("substitute", v)
        drawn_L = rng.random(len(record)) < self.share
        visible, selected_L = list(record.sequence), np.zeros(len(record), dtype=bool)
        for place in np.flatnonzero(drawn_L):
            letters, odds = self.substitutes.get(visible[place], ("", np.empty(0)))
            if letters:
                visible[place] = letters[rng.choice(len(letters), p=odds)]
                selected_L[place] = True
        context = () if contexts is None else contexts.draw(record, key.rng("context", v))
        return View(record.sequence, "".join(visible), selected_L, context)
