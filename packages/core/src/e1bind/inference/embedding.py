"""Residue embeddings of chains: of a fold's adapted backbone, or of a backbone as it is before any training.

There is no mean over folds: each fold's adapter turns the backbone's space in its own way, so that coordinates of
two folds have nothing to do with each other.

Shape legend: L residues of a chain, R residues of a batch, D width of the embeddings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from e1bind.contracts import ResidueRecord, TokenBatch
from e1bind.data.windows import merge_windows
from e1bind.engine.guards import memory_told
from e1bind.engine.pipeline import Pipeline, build_pipeline
from e1bind.errors import RunError, UserError
from e1bind.inference.chunks import MAX_TOKENS, Refuse, chunks
from e1bind.inference.ensemble import PREDICTION_MEMORY, Ensemble
from e1bind.spec import RunSpec

BATCHES_AHEAD = 4
"""Read ahead: the embeddings of that many batches are held, a thousand times what scores need."""
Embeddings = NDArray[np.float32]
"""[L, D]: a row for each residue, in order."""


@dataclass(frozen=True, eq=False)
class Embedder:
    """A model that embeds residues. `about` says in words whose embeddings they are."""

    pipeline: Pipeline
    device: torch.device
    width: int
    about: Mapping[str, str]
    embed: Callable[[Sequence[TokenBatch]], Iterator[NDArray[np.float32]]]


def embedder_of_fold(ensemble: Ensemble, fold: int, projected: bool, option: str = "--fold") -> Embedder:
    """The model of one fold, before or after its projector. Raises `UserError` for a fold the run has not."""
    run, pipeline = ensemble.run, ensemble.pipeline
    if isinstance(fold, bool) or fold not in run.folds:
        raise UserError(
            f"{option} {fold}: the run has the folds {run.folds[0]} to {run.folds[-1]}; name one of them. "
            "Embeddings of different folds are coordinates of different spaces and have no mean"
        )
    about = {
        "run": run.files.run_id,
        "fold": str(fold),
        "layer": "final hidden states, projected" if projected else "final hidden states",
        "backbone": pipeline.backbone.description,
    }
    width = pipeline.width if projected else pipeline.backbone.hidden_size
    return Embedder(pipeline, ensemble.device, width, about, lambda b: ensemble.embed(b, fold, projected))


def embedder_of_backbone(spec: RunSpec, device: torch.device) -> Embedder:
    """The backbone of a spec with its own weights, not adapted."""
    pipeline = build_pipeline(spec)
    with memory_told("loading the model", "use --device cpu, or a machine with more of it"):
        network = pipeline.backbone.load_model().to(device).eval()

    @torch.inference_mode()
    def embed(batches: Sequence[TokenBatch]) -> Iterator[NDArray[np.float32]]:
        for tokens in batches:
            with memory_told(f"at a batch of {tokens.tokens:,} tokens", PREDICTION_MEMORY):
                hidden = pipeline.backbone.hidden(network, tokens.to(device))
                yield hidden.index_select(0, tokens.token_RV[:, 0].to(device)).float().cpu().numpy()

    about = {"layer": "final hidden states, not adapted", "backbone": pipeline.backbone.description}
    return Embedder(pipeline, device, pipeline.backbone.hidden_size, about, embed)


def embed_stream(
    embedder: Embedder, records: Iterable[ResidueRecord], refuse: Refuse, max_tokens: int | None = None
) -> Iterator[tuple[ResidueRecord, Embeddings]]:
    """Each chain with its embeddings [L, D], in the order of `records`, without those that were refused.

    A chain is seen as in validation and prediction; a residue that several windows saw gets the mean of them.
    """
    max_tokens = max_tokens or MAX_TOKENS[embedder.device.type]
    for chunk in chunks(embedder.pipeline, records, refuse, max_tokens, ahead=BATCHES_AHEAD):
        by_window = chunk.by_window(embedder.embed(chunk.batches))
        for record, contexts in zip(chunk.records, chunk.members(), strict=True):
            own = contexts[0]
            found = merge_windows(len(record), chunk.spans(own), [by_window[i] for i in own]).astype(np.float32)
            if not np.isfinite(found).all():
                raise RunError(
                    f"{record.id}: its embeddings are not finite; with dtype float16 a backbone may overflow where "
                    "bfloat16 and float32 do not"
                )
            yield record, found
