"""What a step that went wrong was made of, on disk, so that it can be looked at without running up to it again."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from e1bind.data.collate import ProteinBatch
from e1bind.files.writing import atomic_write


def save_bundle(
    path: Path,
    message: str,
    batches: Sequence[ProteinBatch],
    trainable: Mapping[str, Tensor],
    position: Mapping[str, int],
) -> None:
    """Write message, position, batches and trained tensors; loads with `torch.load(path, weights_only=True)`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "message": message,
        "position": dict(position),
        "batches": [_plain(batch) for batch in batches],
        "trainable": {name: tensor.detach().cpu() for name, tensor in trainable.items()},
    }
    buffer = io.BytesIO()
    torch.save(content, buffer)
    atomic_write(path, lambda target: target.write_bytes(buffer.getvalue()))


def _plain(batch: ProteinBatch) -> dict[str, Any]:
    tokens = batch.tokens
    inputs = {name: value.cpu() for name, value in tokens.inputs.items() if isinstance(value, Tensor)}
    own = {"token_RV": tokens.token_RV, "visible_RV": tokens.visible_RV, "target_R": tokens.target_R}
    own |= {"labels_R": batch.labels_R, "protein_R": batch.protein_R}
    return {"ion": batch.ion, "ids": list(batch.ids), "inputs": inputs} | {k: v.cpu() for k, v in own.items()}
