"""Do a backbone's token indices point at the residues they are said to? Asked once, before anything is trained.

Two short chains are encoded, then again with one residue of one view replaced. The tokens that have changed must
include the one that `token_RV` names for that residue: with wrong places the model would train on its neighbours'
labels and nothing else would tell. No weights are needed, and it takes milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from e1bind.contracts import TokenBatch, View, ViewEncoder
from e1bind.engine.contract_faults import Fault, token_batch_fault

CHAINS = ("MKTAYIAKQRHC", "GSHMELV")
"""Of two lengths, so that the rows of a batch are padded."""
CONTEXT = ("MKSAYLAKQRH",)

Views = list[list[View]]


def residue_places_fault(encoder: ViewEncoder, supports_context: bool, max_residues: int | None) -> Fault:
    """What is wrong with the places of residues, or with the tokens that are to be predicted; None for nothing."""
    views = probe_views(supports_context, max_residues)
    batch = encoder.encode(views)
    if fault := token_batch_fault(batch, views) or _shared_places(batch) or _targets(batch, views):
        return fault
    for b, v, r in _cells(views):
        changed = encoder.encode(_with_another_residue(views, b, v, r))
        if fault := _moved(batch, changed, _row(views, b, r), v, f"residue {r + 1} of view {v + 1}"):
            return fault
    return None


def probe_views(supports_context: bool, max_residues: int | None) -> Views:
    """Two views of each chain: as it is, and with a residue selected and, where it may have one, a context."""
    context = tuple(c[:max_residues] for c in CONTEXT) if supports_context else ()
    return [[View.unmasked(chain), _selected(chain, context)] for chain in (c[:max_residues] for c in CHAINS)]


def _selected(chain: str, context: tuple[str, ...]) -> View:
    selected = np.zeros(len(chain), dtype=bool)
    selected[-1] = True
    # Selected and kept as it is, so that it can still be replaced.
    return View(chain, chain, selected, context)


def _cells(views: Views) -> Iterator[tuple[int, int, int]]:
    """Protein, view and residue of what is replaced: both ends and the middle."""
    for b, protein in enumerate(views):
        for v, view in enumerate(protein):
            last = len(view.truth) - 1
            yield from ((b, v, r) for r in sorted({0, last // 2, last}))


def _row(views: Views, protein: int, residue: int) -> int:
    return sum(len(views[b][0].truth) for b in range(protein)) + residue


def _with_another_residue(views: Views, b: int, v: int, r: int) -> Views:
    view = views[b][v]
    other = "W" if view.visible[r] != "W" else "A"
    changed = replace(view, visible=view.visible[:r] + other + view.visible[r + 1 :])
    return [[changed if (i, j) == (b, v) else view for j, view in enumerate(p)] for i, p in enumerate(views)]


def _moved(before: TokenBatch, after: TokenBatch, row: int, view: int, what: str) -> Fault:
    """Whether a replaced residue has changed its own token."""
    if not torch.equal(before.token_RV, after.token_RV):
        return f"gives residues other places after {what} was replaced; places depend on lengths alone"
    changed = _changed_tokens(before, after)
    own = int(before.token_RV[row, view])
    if not changed or own in changed:
        return None  # an encoder whose inputs have a layout of their own cannot be asked this way
    residues = (before.token_RV == min(changed)).nonzero()
    instead = f"that of residue {int(residues[0, 0]) + 1} of the batch" if len(residues) else "no residue's"
    return (
        f"has token indices that point at the wrong residues: after {what} was replaced, another token changed "
        f"than the one token_RV names for it ({instead})"
    )


def _changed_tokens(before: TokenBatch, after: TokenBatch) -> set[int]:
    """Tokens of which any input differs, of the inputs that hold something for every token."""
    places = before.tokens + before.padding
    changed: set[int] = set()
    for name, old in before.inputs.items():
        new = after.inputs.get(name)
        if not isinstance(old, Tensor) or not isinstance(new, Tensor) or old.shape != new.shape:
            continue
        if old.numel() and old.numel() % places == 0:
            differs = (old != new).reshape(places, -1).any(dim=1)
            changed |= set(differs.nonzero().flatten().tolist())
    return changed


def _shared_places(batch: TokenBatch) -> Fault:
    flat = batch.token_RV.flatten()
    if len(flat.unique()) == len(flat):
        return None
    return "gives two residues one token; every view holds every residue, each at a place of its own"


def _targets(batch: TokenBatch, views: Sequence[Sequence[View]]) -> Fault:
    """Whether visible_RV tells what is selected, and target_R one token for each letter."""
    selected = np.concatenate([np.stack([view.selected for view in protein], axis=1) for protein in views])
    if not np.array_equal(~batch.visible_RV.numpy(), selected):
        return "encodes visible_RV that is not false exactly where a residue is selected"
    letters = "".join(protein[0].truth for protein in views)
    tokens: dict[str, int] = {}
    for letter, token in zip(letters, batch.target_R.tolist(), strict=True):
        if tokens.setdefault(letter, token) != token:
            return f"encodes {letter} with two tokens in target_R; a residue has one token, wherever it stands"
    twins = sorted(letter for letter, token in tokens.items() if list(tokens.values()).count(token) > 1)
    return f"encodes {' and '.join(twins)} with one token in target_R; each has its own" if twins else None
