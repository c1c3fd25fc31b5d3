"""Embeddings of the backbone as it was before it was adapted.

Shape legend: R residues of a batch, L residues of a chain, D width of the backbone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from e1bind.contracts import UNKNOWN, ResidueRecord
from e1bind.data.windows import merge_windows
from e1bind.engine.distributed import World
from e1bind.engine.guards import VALIDATION_MEMORY, memory_advice
from e1bind.engine.held_out import load, window_batches
from e1bind.engine.pipeline import Pipeline, unadapted

Embeddings = dict[str, NDArray[np.float32]]
"""Final hidden states [L, D] by chain."""


@torch.inference_mode()
def embed_chains(
    pipeline: Pipeline,
    network: nn.Module,
    records: Sequence[ResidueRecord],
    world: World,
    on_batch: Callable[[int, int], None] = lambda done, total: None,
) -> Embeddings:
    """One unmasked view of each chain, as validation sees it; overlapping windows are averaged.

    Every rank embeds its share; the main process gets all of them, the others nothing.
    """
    bare = [replace(record, labels={"": np.full(len(record), UNKNOWN, np.int8)}) for record in records]
    groups = window_batches(pipeline, bare)
    mine = world.share(groups)
    network.eval()
    parts: list[tuple[str, int, NDArray[np.float32]]] = []
    with unadapted(pipeline, network):
        for done, (pieces, batch) in enumerate(zip(mine, load(pipeline, "", mine), strict=True), start=1):
            with memory_advice(batch, VALIDATION_MEMORY):
                tokens = batch.to(world.device).tokens
                hidden = pipeline.backbone.hidden(network, tokens)
                rows_RD = hidden.index_select(0, tokens.token_RV[:, 0]).float().cpu()
            for piece, rows in zip(pieces, rows_RD.split([p.stop - p.start for p in pieces]), strict=True):
                parts.append((piece.record.id, piece.start, rows.numpy()))
            on_batch(done, len(mine))
    gathered = world.to_main(parts)
    return _merged(bare, [part for rank in gathered for part in rank]) if world.is_main else {}


def _merged(records: Sequence[ResidueRecord], parts: Sequence[tuple[str, int, NDArray[np.float32]]]) -> Embeddings:
    by_chain: dict[str, list[tuple[int, NDArray[np.float32]]]] = {record.id: [] for record in records}
    for chain, start, rows in parts:
        by_chain[chain].append((start, rows))
    merged: Embeddings = {}
    for record in records:
        own = sorted(by_chain.pop(record.id), key=lambda part: part[0])
        if len(own) == 1:
            merged[record.id] = own[0][1]
            continue
        windows = [(start, start + len(rows)) for start, rows in own]
        merged[record.id] = merge_windows(len(record), windows, [rows for _, rows in own]).astype(np.float32)
    return merged
