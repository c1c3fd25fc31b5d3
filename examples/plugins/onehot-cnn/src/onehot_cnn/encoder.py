"""Tokens of the backbone: one for each residue, nothing at the ends.

Shape legend: B proteins, V views, L residues of one, M rows (B * V), T padded tokens of a row.
"""

from collections.abc import Sequence

import numpy as np
import torch

from e1bind.contracts import MASK, STANDARD_RESIDUES, TokenBatch, View
from e1bind.errors import DataError

PAD = 0
LETTERS = {letter: number for number, letter in enumerate(STANDARD_RESIDUES + "X" + MASK, start=1)}


class OneHotEncoder:
    """Picklable, and free of weights: it works in data-loader processes."""

    def encode(self, views: Sequence[Sequence[View]]) -> TokenBatch:
        """One row for each view; `views[b][v]`. Raises `DataError` for letters there are no tokens for."""
        rows = [self._ids(view.visible) for protein in views for view in protein]
        width = max(map(len, rows))
        input_ids = torch.full((len(rows), width), PAD)
        for m, ids in enumerate(rows):
            input_ids[m, : len(ids)] = torch.tensor(ids)
        places, visible, targets, row = [], [], [], 0
        for protein in views:
            first_V = (row + np.arange(len(protein))) * width
            places.append(first_V + np.arange(len(protein[0].truth))[:, None])
            visible.append(~np.stack([view.selected for view in protein], axis=1))
            targets += self._ids(protein[0].truth)
            row += len(protein)
        tokens = sum(map(len, rows))
        return TokenBatch(
            inputs={"input_ids": input_ids},
            token_RV=torch.from_numpy(np.concatenate(places)),
            visible_RV=torch.from_numpy(np.concatenate(visible)),
            target_R=torch.tensor(targets),
            tokens=tokens,
            padding=input_ids.numel() - tokens,
        )

    def _ids(self, residues: str) -> list[int]:
        strange = set(residues) - set(LETTERS)
        if strange or not residues:
            raise DataError(f"a chain holds {sorted(strange)}; the residues are {''.join(LETTERS)}")
        return [LETTERS[residue] for residue in residues]
