"""A fold's model on disk: the PEFT adapter, and the heads (prototypes, projector, what they belong to).

Nothing here is pickled: the adapter is safetensors, the heads load with `weights_only=True`.
"""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch

from e1bind.engine.model import ContrastiveModel
from e1bind.engine.prototypes import Prototype
from e1bind.engine.rundir import BEST_ADAPTER, BEST_HEADS, atomic_write
from e1bind.errors import RunError

FORMAT = 1


@dataclass(frozen=True)
class Heads:
    """What a fold needs beside the adapter to score a chain."""

    prototypes: Mapping[str, Prototype]
    projector: Mapping[str, torch.Tensor]
    scoring_temperature: float
    fold: int
    epoch: int
    backbone: str
    fingerprint: str


def save_best(
    model: ContrastiveModel, prototypes: Mapping[str, Prototype], folder: Path, fold: int, epoch: int
) -> None:
    """Write adapter and heads of the best epoch so far; a reader finds the old pair or the new one."""
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{BEST_ADAPTER}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    model.network.save_pretrained(str(temporary))  # type: ignore[operator]
    heads = {
        "format": FORMAT,
        "prototypes": {ion: asdict(p.to(torch.device("cpu"))) for ion, p in prototypes.items()},
        "projector": {name: tensor.cpu() for name, tensor in model.projector.state_dict().items()},
        "scoring_temperature": model.scoring_temperature,
        "fold": fold,
        "epoch": epoch,
        "backbone": model.backbone.description,
        "fingerprint": model.fingerprint,
    }
    final = folder / BEST_ADAPTER
    if final.exists():
        shutil.rmtree(final)
    temporary.replace(final)
    atomic_write(folder / BEST_HEADS, lambda path: torch.save(heads, path))


def load_heads(path: Path) -> Heads:
    """Read the heads of a fold. Raises `RunError` for a file that is missing, damaged or of another format."""
    try:
        stored: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise RunError(f"{path} is missing: the fold has not finished an epoch") from None
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        raise RunError(f"{path} is damaged and cannot be read: {error}") from error
    if not isinstance(stored, dict) or stored.get("format") != FORMAT:
        raise RunError(f"{path} was not written by this version of e1bind (format {FORMAT} expected)")
    names = {field.name for field in fields(Heads)} - {"prototypes"}
    prototypes = {ion: Prototype(**values) for ion, values in stored["prototypes"].items()}
    return Heads(prototypes=prototypes, **{name: stored[name] for name in names})
