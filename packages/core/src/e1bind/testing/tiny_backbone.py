"""A backbone small enough for any test: an embedding, one mixing layer, a head. No weights to fetch, no plugin.

It reads contexts, has a masked-LM head, and is right in all that a contract asks; a wrong one is made by changing
one thing of it.

Shape legend: B proteins, V views, M = B * V rows, T padded tokens of a row, K masked pairs, D width, C vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from e1bind.contracts import MASK, STANDARD_RESIDUES, TokenBatch, View
from e1bind.errors import DataError
from e1bind.spec import Options

LETTERS = STANDARD_RESIDUES + "X"
PAD, START, STOP, MASKED = range(4)
IDS = {letter: number for number, letter in enumerate(LETTERS, start=4)} | {MASK: MASKED}
LONGEST = 64


class TinyOptions(Options):
    """Options of the tiny backbone."""

    seed: int = Field(0, ge=0, description="Seed of its random weights.")


def token_ids(residues: str) -> list[int]:
    """Token ids of residues and masks. Raises `DataError` for any other character."""
    strange = [letter for letter in residues if letter not in IDS]
    if strange or not residues:
        raise DataError(f"the tiny backbone does not know the residue {''.join(strange[:1])!r}")
    return [IDS[letter] for letter in residues]


@dataclass(frozen=True)
class TinyEncoder:
    """Rows `START context STOP context STOP query STOP`, one for each view."""

    longest: int = LONGEST

    def encode(self, views: Sequence[Sequence[View]]) -> TokenBatch:
        """Rows protein by protein, view by view. Raises `DataError` for letters and lengths it does not take."""
        cells = [view for protein in views for view in protein]
        rows = [self.row(view) for view in cells]
        width = max(len(ids) for ids, _ in rows)
        input_ids = torch.full((len(rows), width), PAD)
        for m, (ids, _) in enumerate(rows):
            input_ids[m, : len(ids)] = torch.tensor(ids)
        places, visible, targets = [], [], []
        for b, protein in enumerate(views):
            first = b * len(protein)
            starts = np.array([(first + v) * width + rows[first + v][1] for v in range(len(protein))])
            places.append(starts + np.arange(len(protein[0].truth))[:, None])
            visible.append(~np.stack([view.selected for view in protein], axis=1))
            targets += token_ids(protein[0].truth)
        tokens = sum(len(ids) for ids, _ in rows)
        return TokenBatch(
            inputs={"input_ids": input_ids},
            token_RV=torch.from_numpy(np.concatenate(places)),
            visible_RV=torch.from_numpy(np.concatenate(visible)),
            target_R=torch.tensor(targets),
            tokens=tokens,
            padding=input_ids.numel() - tokens,
        )

    def row(self, view: View) -> tuple[list[int], int]:
        """Token ids of a row, and the column of the query's first residue."""
        if len(view.visible) > self.longest:
            raise DataError(f"the chain has {len(view.visible)} residues; the tiny backbone takes {self.longest}")
        ids = [START]
        for homologue in view.context:
            ids += [*token_ids(homologue), STOP]
        return [*ids, *token_ids(view.visible), STOP], len(ids)


class TinyModel(nn.Module):
    """Each token with its neighbours and the mean of its row, through one gated layer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(len(LETTERS) + 4, width, padding_idx=PAD)
        self.mix = nn.Linear(4 * width, 2 * width)
        self.out = nn.Linear(2 * width, width)
        self.head = nn.Linear(width, len(LETTERS) + 4)

    def forward(self, input_ids: Tensor) -> Tensor:
        """Hidden states [M, T, D] of token ids [M, T]; padding changes none of them."""
        real_MT1 = (input_ids != PAD).unsqueeze(-1)
        x_MTD = self.embedding(input_ids) * real_MT1
        before, after = x_MTD.roll(1, 1), x_MTD.roll(-1, 1)
        # What comes round from the other end of the row is no neighbour.
        before, after = before.clone(), after.clone()
        before[:, 0], after[:, -1] = 0, 0
        mean = (x_MTD.sum(1, keepdim=True) / real_MT1.sum(1, keepdim=True)).expand_as(x_MTD)
        return x_MTD + self.out(torch.tanh(self.mix(torch.cat([x_MTD, before, after, mean], dim=-1))))


class TinyBackbone:
    """`e1bind.contracts.Backbone` with random weights, the same ones for the same seed."""

    hidden_size = 12
    max_residues: int | None = LONGEST
    supports_context = True
    has_mlm_head = True
    lora_targets: Sequence[str] = ("mix", "out")
    mlm_head_modules: Sequence[str] = ("head",)

    def __init__(self, options: TinyOptions) -> None:
        self.seed = options.seed
        self.description = f"tiny backbone, random weights (seed {options.seed}), float32"

    def encoder(self) -> TinyEncoder:
        """The tokenising half."""
        return TinyEncoder()

    def load_model(self) -> nn.Module:
        """The model; torch's own random state is left as it is."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            return TinyModel(self.hidden_size)

    def hidden(self, model: nn.Module, batch: TokenBatch) -> Tensor:
        """Hidden states [M*T, D]."""
        hidden_MTD: Tensor = model(batch.inputs["input_ids"])
        return hidden_MTD.flatten(0, 1)

    def mlm_logits(self, model: nn.Module, hidden_KD: Tensor) -> Tensor:
        """Scores [K, C] of the head."""
        plain = next(module for module in model.modules() if isinstance(module, TinyModel))
        logits_KC: Tensor = plain.head(hidden_KD)
        return logits_KC
