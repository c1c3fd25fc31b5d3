"""Embeddings of the backbone as it was before it was adapted.

Shape legend: R residues of a batch, L residues of a chain, D width of the backbone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from e1bind.contracts import UNKNOWN, ResidueRecord
from e1bind.data.columns import lengths_of
from e1bind.engine.distributed import World
from e1bind.engine.guards import VALIDATION_MEMORY, memory_advice
from e1bind.engine.held_out import Scored, by_piece, load, merged, window_batches
from e1bind.engine.pipeline import Pipeline, unadapted

Embeddings = dict[str, NDArray[np.float32]]
"""Final hidden states [L, D] by chain."""
BLOCK_VALUES = 2**26
"""Numbers that embeddings may come to where chains are only scored by them: a quarter of a gigabyte."""


def embedded_blocks(
    pipeline: Pipeline, network: nn.Module, records: Sequence[ResidueRecord], world: World, *, wanted: bool
) -> Iterator[tuple[Sequence[ResidueRecord], Embeddings]]:
    """The records, some at a time, with what `embed_chains` makes of these; every rank gets the same records.

    Where no embeddings are `wanted`, all records at once without any.
    """
    if not wanted:
        yield records, {}
        return
    ends_R = np.cumsum(lengths_of(records))
    room, start = max(1, BLOCK_VALUES // pipeline.backbone.hidden_size), 0
    while start < len(records):
        before = ends_R[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends_R, before + room, side="right")))
        yield records[start:stop], embed_chains(pipeline, network, records[start:stop], world)
        start = stop


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
