"""The resumable state of a fold: small files in `last/`, each whole or not there, each checked before it is used.

A file's name carries where the fold stood and the digest of the file's bytes, so a truncated or altered file is
known for what it is; the generation before it is then used, and the log says so. Nothing is pickled: the files load
with `weights_only=True`.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from hashlib import blake2b
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from e1bind.errors import RunError
from e1bind.files.reading import parsing, read_bytes
from e1bind.files.writing import atomic_write
from e1bind.log import log
from e1bind.runs.layout import state_name, state_position
from e1bind.scoring import Prototype

FORMAT = 2
GENERATIONS = 2


@dataclass(frozen=True)
class FoldState:
    """Where a fold stands: everything that is not a function of spec, data and position alone.

    `epoch` (from 1) is under way with `step` optimizer steps of it taken, which were `micros` micro-batches; at
    `step` 0 it has not begun. Draws of batches, masks, contexts and dropout derive from the position, so no
    generator's state is kept.
    `trainable`: adapter, projector and whatever else is trained; `best`: the same at the best epoch.
    `sums`: the running means of the epoch, by ion. `scores`: those of the held-out chains at the best epoch.
    `head`: buffers of the head, which were set before training and stay. `way`: options of the backbone in place of
    the spec's, which were chosen by the memory there was; dropout is drawn otherwise with others.
    """

    epoch: int
    step: int
    micros: int
    trainable: Mapping[str, Tensor]
    optimizer: Mapping[str, Any]
    prototypes: Mapping[str, Mapping[str, Any]]
    sums: Mapping[str, Mapping[str, tuple[float, float]]]
    best: Mapping[str, Tensor]
    best_epoch: int
    best_value: float
    scores: Mapping[str, Mapping[str, Tensor]]
    rows: list[dict[str, Any]]
    head: Mapping[str, Tensor] = field(default_factory=dict)
    way: Mapping[str, str | bool] = field(default_factory=dict)


class StateFiles:
    """The generations of one fold's state."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, state: FoldState) -> None:
        """Write a generation and drop those before the last two."""
        self.folder.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        torch.save({"format": FORMAT} | {f.name: getattr(state, f.name) for f in fields(state)}, buffer)
        content = buffer.getvalue()
        name = state_name(state.epoch, state.step, _digest(content))
        atomic_write(self.folder / name, lambda path: path.write_bytes(content))
        log.debug("saved %s", self.folder / name)
        for _, old in self._generations()[GENERATIONS:]:
            old.unlink(missing_ok=True)

    def load(self) -> FoldState | None:
        """The newest generation that is whole; None where there is none, so that the fold starts over."""
        for position, path in self._generations():
            state = _whole(path)
            if state is not None:
                return state
            # Out of the way, or it would count as one of the generations to keep.
            path.replace(path.with_suffix(".damaged"))
            log.warning("%s (epoch %d, step %d) is damaged: the state before it is used", path, *position)
        return None

    def _generations(self) -> list[tuple[tuple[int, int], Path]]:
        """(epoch, step) and file of each generation, the newest first."""
        if not self.folder.is_dir():
            return []
        named = [(state_position(path.name), path) for path in self.folder.iterdir()]
        found = [(place[:2], os.stat(path).st_mtime_ns, path) for place, path in named if place]
        return [(position, path) for position, _, path in sorted(found, reverse=True)]


def to_cpu(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies that later steps do not change."""
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in tensors.items()}


def prototype_table(prototype: Prototype) -> dict[str, Any]:
    """A prototype as plain values and tensors on the CPU."""
    return asdict(prototype.to(torch.device("cpu")))


def _digest(content: bytes) -> str:
    return blake2b(content, digest_size=16).hexdigest()


def _whole(path: Path) -> FoldState | None:
    """The state in a file; None where it is not what was written there."""
    try:
        return _read(path)
    except RunError as error:
        log.warning("%s", error)
        return None


def _read(path: Path) -> FoldState | None:
    content = read_bytes(path)
    position = state_position(path.name)
    if position is None or _digest(content) != position[2]:
        return None
    with parsing(path):
        stored = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        if stored.pop("format") != FORMAT:
            return None
        return FoldState(**stored)
    raise AssertionError("unreachable")
