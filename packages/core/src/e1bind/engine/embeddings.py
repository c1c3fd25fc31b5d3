"""Embeddings of the backbone as it was before it was adapted.

Shape legend: R residues of a batch, L residues of a chain, D width of the backbone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from e1bind.contracts import UNKNOWN, ResidueRecord
from e1bind.engine.distributed import World
from e1bind.engine.guards import VALIDATION_MEMORY, memory_advice
from e1bind.engine.held_out import Scored, by_piece, load, merged, window_batches
from e1bind.engine.pipeline import Pipeline, unadapted

Embeddings = dict[str, NDArray[np.float32]]
"""Final hidden states [L, D] by chain."""


@torch.inference_mode()
def embed_chains(
    pipeline: Pipeline,
    network: nn.Module,
    records: Sequence[ResidueRecord],
    world: World,
) -> Embeddings:
    """One unmasked view of each chain, as validation sees it; overlapping windows are averaged.

    Every rank embeds its share; the main process gets all of them, the others nothing.
    """
    bare = [replace(record, labels={"": np.full(len(record), UNKNOWN, np.int8)}) for record in records]
    groups = window_batches(pipeline, bare)
    mine = world.share(groups)
    network.eval()
    parts: list[Scored] = []
    with unadapted(pipeline, network):
        for pieces, batch in zip(mine, load(pipeline, "", mine), strict=True):
            with memory_advice(batch, VALIDATION_MEMORY):
                tokens = batch.to(world.device).tokens
                hidden = pipeline.backbone.hidden(network, tokens)
                parts += by_piece(pieces, hidden.index_select(0, tokens.token_RV[:, 0]))
    gathered = world.to_main(parts)
    return merged(bare, [part for rank in gathered for part in rank]) if world.is_main else {}
