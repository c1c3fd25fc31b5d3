"""Hashes of what a run rests on: the backbone's weights, the training data with its folds, the spec."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from torch import nn

from e1bind.contracts import ResidueRecord
from e1bind.data.columns import along, by_id

TRACKERS = "trackers"
"""Table of a spec that has no part in any result."""
SAMPLES = 256
"""Values of each tensor that enter the hash, evenly spaced: a second for 600M parameters."""


def fingerprint(network: nn.Module) -> str:
    """SHA-256 over names, shapes and samples of the parameters of a plain (not PEFT-wrapped) model.

    An adapter is never laid over a backbone with another one.
    """
    digest = sha256()
    for name, tensor in sorted(network.named_parameters()):
        flat = tensor.detach().flatten()
        digest.update(f"{name}{tuple(tensor.shape)}".encode())
        digest.update(flat[:: max(1, flat.numel() // SAMPLES)].float().cpu().numpy().tobytes())
    return digest.hexdigest()


def data_fingerprint(records: Sequence[ResidueRecord], fold_of: Mapping[str, int]) -> str:
    """SHA-256 over every chain, its labels, its fold and its alignment."""
    digest = sha256()
    ordered = by_id(records)
    for record, fold in zip(ordered, along(ordered, fold_of).tolist(), strict=True):
        digest.update(json.dumps([record.id, record.sequence, fold, sorted(record.labels)]).encode())
        for ion in sorted(record.labels):
            digest.update(record.labels[ion].tobytes())
        if record.msa is not None:
            digest.update(sha256(Path(record.msa).read_bytes()).digest())
    return digest.hexdigest()


def spec_fingerprint(resolved: Mapping[str, Any]) -> str:
    """SHA-256 over a resolved spec."""
    return sha256(json.dumps(resolved, sort_keys=True).encode()).hexdigest()


def unwatched(resolved: Mapping[str, Any]) -> dict[str, Any]:
    """A resolved spec without its trackers: who watches a run may change."""
    return {name: table for name, table in resolved.items() if name != TRACKERS}


def training_fingerprint(resolved: Mapping[str, Any]) -> str:
    """SHA-256 over what of a resolved spec has a part in a fold's results: not where and by whom it is computed."""
    run, training, msa = (dict(resolved.get(name, {})) for name in ("run", "training", "msa"))
    for key in ("workers", "save_every_steps"):
        training.pop(key, None)
    msa.pop("cache_dir", None)
    return spec_fingerprint(
        {**unwatched(resolved), "run": {"seed": run.get("seed")}, "training": training, "msa": msa}
    )
