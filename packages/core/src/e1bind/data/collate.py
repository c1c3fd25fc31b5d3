"""One micro-batch: the tokens of some proteins' views together with what their residues are.

Shape legend: R residues of all proteins of the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from e1bind.contracts import ResidueRecord, TokenBatch, View, ViewEncoder

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class ProteinBatch:
    """Tokens and residues of one micro-batch, all for one ion.

    `labels_R` int64 [R] of 0, 1 or `UNKNOWN`; `protein_R` int64 [R], index into `ids`.
    """

    ion: str
    ids: tuple[str, ...]
    tokens: TokenBatch
    labels_R: Tensor
    protein_R: Tensor

    @property
    def labelled(self) -> int:
        """Number of residues with a known label."""
        return int((self.labels_R >= 0).sum())

    def to(self, device: torch.device) -> ProteinBatch:
        """The same batch on `device`."""
        return replace(
            self,
            tokens=self.tokens.to(device),
            labels_R=self.labels_R.to(device),
            protein_R=self.protein_R.to(device),
        )


def collate(
    ion: str, records: Sequence[ResidueRecord], views: Sequence[Sequence[View]], encoder: ViewEncoder
) -> ProteinBatch:
    """Encode the views of `records` (windows of chains, in order) and line their labels up with the residues."""
    import torch  # here, so that reading and folding records does not load it

    labels = np.concatenate([record.labels[ion] for record in records]).astype(np.int64)
    lengths = torch.tensor([len(record) for record in records])
    return ProteinBatch(
        ion=ion,
        ids=tuple(record.id for record in records),
        tokens=encoder.encode(views),
        labels_R=torch.from_numpy(labels),
        protein_R=torch.repeat_interleave(torch.arange(len(records)), lengths),
    )
