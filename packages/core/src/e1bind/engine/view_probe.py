"""Does a view generator make other views in other epochs? Asked once, of a few chains, before training."""

from __future__ import annotations

from collections.abc import Sequence

from e1bind.contracts import DrawKey, ResidueRecord, View
from e1bind.engine.guarded import GuardedViews

_CHAINS = 3


def views_warning(views: GuardedViews, records: Sequence[ResidueRecord], seed: int) -> str | None:
    """A sentence for the log where residues are selected, and the same ones in every epoch: the key is ignored."""
    chains = records[:_CHAINS]

    def masks(epoch: int) -> list[str]:
        made = [views.generate(record, DrawKey(seed, epoch, record.id), None) for record in chains]
        return [_mask(view) for of_chain in made for view in of_chain]

    first = masks(1)
    if not any("x" in mask for mask in first) or any(masks(epoch) != first for epoch in (2, 3)):
        return None
    return (
        f"{views.named.kind} {views.named.full_name} makes the same views in every epoch: it ignores its key, from "
        "which a view generator draws (key.rng)"
    )


def _mask(view: View) -> str:
    return view.visible + "".join("x" if selected else "." for selected in view.selected)
