"""What every view encoder does alike: check the views, and say where each residue stands.

Shape legend: B proteins, V views, R residues of all proteins, M rows, T padded tokens of a row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from e1bind.contracts import TokenBatch, View

Cell = tuple[int, int]
"""A protein of the batch and one of its views."""


def count_views(views: Sequence[Sequence[View]]) -> int:
    """V. Raises ValueError where proteins differ in it, or the views of a protein show different residues."""
    counts = {len(protein) for protein in views}
    if len(counts) != 1 or 0 in counts:
        raise ValueError(f"every protein of a batch must have the same number of views, at least 1; got {counts}")
    for protein in views:
        if any(view.truth != protein[0].truth or len(view.visible) != len(view.truth) for view in protein):
            raise ValueError("all views of a protein must show the same residues")
    return counts.pop()


def token_batch(
    views: Sequence[Sequence[View]],
    inputs: Mapping[str, Any],
    first: Mapping[Cell, int],
    target: Callable[[str], Any],
    tokens: int,
) -> TokenBatch:
    """The batch of `inputs`, whose `input_ids` [M, T] hold `tokens` real tokens.

    `first` is the place of each view's first residue among the M*T; the others follow it. `target` gives the token
    ids of a chain's residues.
    """
    places, visible, targets = [], [], []
    for b, protein in enumerate(views):
        starts = np.array([first[b, v] for v in range(len(protein))])
        places.append(starts + np.arange(len(protein[0].truth))[:, None])
        visible.append(~np.stack([view.selected for view in protein], axis=1))
        targets.append(np.asarray(target(protein[0].truth), dtype=np.int64))
    return TokenBatch(
        inputs=inputs,
        token_RV=torch.from_numpy(np.concatenate(places)),
        visible_RV=torch.from_numpy(np.concatenate(visible)),
        target_R=torch.from_numpy(np.concatenate(targets)),
        tokens=tokens,
        padding=inputs["input_ids"].numel() - tokens,
    )
