"""A fold's model on disk: the PEFT adapter, and the heads (prototypes, projector, what they belong to).

Nothing here is pickled: the adapter is safetensors, the heads load with `weights_only=True`.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from e1bind.errors import RunError
from e1bind.files.reading import json_value, parsing, read_bytes
from e1bind.files.writing import atomic_write, open_modes
from e1bind.runs.layout import FoldDir
from e1bind.runs.result_dirs import MergedDir
from e1bind.runs.schemas import AdapterConfig
from e1bind.runs.seals import validated
from e1bind.scoring import Prototype

FORMAT, OLDER = 2, (1,)
_WHERE_FROM = {"auto_mapping", "base_model_name_or_path", "inference_mode", "peft_version", "revision", "task_type"}
"""Keys of an adapter's configuration that do not change what it computes."""


@dataclass(frozen=True)
class Heads:
    """What a fold needs beside the adapter to score a chain."""

    prototypes: Mapping[str, Prototype]
    projector: Mapping[str, Tensor]
    scoring_temperature: float
    fold: int
    epoch: int
    backbone: str
    fingerprint: str
    head: Mapping[str, Tensor] = field(default_factory=dict)
    """Weights and buffers of the run's head; empty for one that has none."""


def save_best(folder: FoldDir, network: nn.Module | None, heads: Heads) -> None:
    """Write adapter and heads of the best epoch so far; a reader finds the old pair or the new one.

    `network`: with its adapter; None where the backbone is not adapted.
    """
    folder.path.mkdir(parents=True, exist_ok=True)
    temporary = folder.path / f".{folder.adapter.name}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    if network is not None:
        # peft keeps the names in a set and writes them in its order, which differs from process to process.
        for config in network.peft_config.values():  # type: ignore[operator]
            if isinstance(config.target_modules, set):
                config.target_modules = sorted(config.target_modules)
        network.save_pretrained(str(temporary))  # type: ignore[operator]
        open_modes(temporary)
    content = _heads_content(heads)
    if folder.adapter.exists():
        shutil.rmtree(folder.adapter)
    if network is not None:
        temporary.replace(folder.adapter)
    atomic_write(folder.heads, lambda path: path.write_bytes(content))


def save_heads(path: Path, heads: Heads) -> None:
    """Write heads alone."""
    atomic_write(path, lambda temporary: temporary.write_bytes(_heads_content(heads)))


def _heads_content(heads: Heads) -> bytes:
    stored = {field.name: getattr(heads, field.name) for field in fields(heads)}
    prototypes = {ion: asdict(p.to(torch.device("cpu"))) for ion, p in heads.prototypes.items()}
    values = {part: {n: t.cpu() for n, t in stored[part].items()} for part in ("projector", "head")}
    # In memory first: torch's own writer tells of a full disk by the line of its source.
    content = io.BytesIO()
    torch.save({"format": FORMAT, **stored, "prototypes": prototypes, **values}, content)
    return content.getvalue()


def load_heads(folder: FoldDir | MergedDir) -> Heads:
    """Read the heads of a fold. Raises `RunError` for a file that is missing, damaged or of another format."""
    path = folder.heads
    try:
        content = read_bytes(path)
    except FileNotFoundError:
        raise RunError(f"{path} is missing: the fold has not finished an epoch") from None
    with parsing(path):
        stored: dict[str, Any] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        if not isinstance(stored, dict) or stored.pop("format", None) not in (FORMAT, *OLDER):
            raise RunError(f"{path} was not written by this version of e1bind (format {FORMAT} expected)")
        prototypes = {ion: Prototype(**values) for ion, values in stored.pop("prototypes").items()}
        heads = Heads(prototypes=prototypes, **stored)
    for ion, prototype in heads.prototypes.items():
        _check_prototype(prototype, ion, path)
    return heads


def load_head(head: nn.Module, tensors: Mapping[str, Tensor], where: Path) -> None:
    """Put stored weights or buffers into a run's head; the ones that are not named stay. Raises `RunError`."""
    own = head.state_dict()
    if unknown := [name for name, tensor in tensors.items() if name not in own or own[name].shape != tensor.shape]:
        raise RunError(f"{where}: it is of another head than the spec's ({unknown[0]} does not fit); put it back")
    try:
        head.load_state_dict({**own, **tensors})
    except (RuntimeError, TypeError, AttributeError) as error:
        raise RunError(f"{where} is damaged: its head is not the spec's: {error}") from error


def _check_prototype(prototype: Prototype, ion: str, path: Path) -> None:
    with parsing(path):
        for vector in (prototype.vector_P, prototype.center_P):
            if vector.ndim != 1 or not vector.isfinite().all():
                raise RunError(f"{path} is damaged: the prototype of {ion} is no vector of numbers")
        if abs(float(prototype.vector_P.norm()) - 1) > 1e-3:
            raise RunError(f"{path} is damaged: the prototype of {ion} is not of unit length")


def load_adapter(network: nn.Module, folder: FoldDir) -> None:
    """Put a fold's adapter into a network that has an adapter of the same form. Raises `RunError`.

    The same as `PeftModel.from_pretrained` would make; but its configuration must be the spec's, every tensor must
    be there and none besides, and only safetensors are read.
    """
    from peft import get_peft_model_state_dict, set_peft_model_state_dict
    from safetensors.torch import load

    file = folder.adapter_weights
    configs: Any = network.peft_config
    _check_config(folder.adapter_config, configs["default"].to_dict())
    try:
        content = read_bytes(file)
    except FileNotFoundError:
        raise RunError(f"{file} is missing: the fold has no adapter") from None
    with parsing(file):
        tensors = load(content)
        wanted = {name: tensor.shape for name, tensor in get_peft_model_state_dict(network).items()}
        if wanted != {name: tensor.shape for name, tensor in tensors.items()}:
            raise RunError(
                f"{file}: the adapter was trained on another backbone: its tensors do not fit this one's"
            )
        if bad := [name for name, tensor in tensors.items() if not tensor.isfinite().all()]:
            raise RunError(f"{file} is damaged: {bad[0]} holds values that are not finite")
    set_peft_model_state_dict(network, tensors)


def _check_config(path: Path, wanted: Mapping[str, Any]) -> None:
    """Raise `RunError` where the stored configuration would compute something else than the spec's."""
    try:
        content = read_bytes(path)
    except FileNotFoundError:
        raise RunError(f"{path} is missing: the fold has no adapter") from None
    stored = json_value(content, path)
    validated(AdapterConfig, stored, path)
    with parsing(path):
        ours, theirs = _comparable(wanted), _comparable(stored)
    differing = sorted(key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key))
    if differing:
        key = differing[0]
        raise RunError(
            f"{path}: the adapter is not the one the spec describes: {', '.join(differing)} differ ({key} is "
            f"{theirs.get(key)!r}, the spec makes it {ours.get(key)!r})"
        )


def _comparable(config: Mapping[str, Any]) -> dict[str, Any]:
    """What an adapter computes by, in plain values without the empty ones, in which peft's versions differ."""
    values = {k: sorted(v) if isinstance(v, set | list) else v for k, v in config.items() if k not in _WHERE_FROM}
    return {key: getattr(value, "value", value) for key, value in values.items() if value}
