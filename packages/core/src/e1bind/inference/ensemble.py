"""The models of all folds of a run: one backbone in memory, and each fold's adapter, projector and prototypes.

Shape legend: R residues of a batch, D backbone width, P prototype width.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from e1bind.contracts import UNKNOWN, TokenBatch
from e1bind.data.collate import ProteinBatch
from e1bind.engine.artifacts import Heads, load_heads
from e1bind.engine.fingerprint import fingerprint
from e1bind.engine.model import ContrastiveModel, unit
from e1bind.engine.pipeline import Pipeline, add_lora, build_pipeline, build_projector
from e1bind.engine.prototypes import Prototype
from e1bind.engine.rundir import BEST_ADAPTER, BEST_HEADS
from e1bind.errors import RunError, UserError
from e1bind.inference.runs import FinishedRun
from e1bind.scoring import prototype_scores

_WHERE_FROM = {"auto_mapping", "base_model_name_or_path", "inference_mode", "peft_version", "revision", "task_type"}
"""Keys of an adapter's configuration that do not change what it computes."""


@dataclass(frozen=True, eq=False)
class _Member:
    """One fold: the values of everything that was trained, and the prototypes."""

    fold: int
    trained: Mapping[str, Tensor]
    prototypes: Mapping[str, Prototype]


class Ensemble:
    """Scores batches with every fold of a run. Raises `RunError` where a fold does not belong to the backbone."""

    def __init__(self, run: FinishedRun, device: torch.device) -> None:
        self.run, self.device = run, device
        self.pipeline: Pipeline = build_pipeline(run.spec)
        heads = [_heads(run.files.fold(fold) / BEST_HEADS) for fold in run.folds]
        network = self.pipeline.backbone.load_model()
        weights = fingerprint(network)
        for found, fold in zip(heads, run.folds, strict=True):
            self._check(found, fold, weights)
        self.model = ContrastiveModel(
            backbone=self.pipeline.backbone,
            network=add_lora(self.pipeline, network),
            projector=build_projector(self.pipeline, 0),
            losses={},
            weights={},
            scoring_temperature=run.spec.scoring_temperature,
            needs_mlm=False,
            fingerprint=weights,
        ).to(device)
        self.model.eval()
        self._trainable = {n: p for n, p in self.model.named_parameters() if p.requires_grad}
        self.members = [self._member(found) for found in heads]

    @torch.inference_mode()
    def score(self, batches: Sequence[TokenBatch]) -> list[list[dict[str, NDArray[np.float32]]]]:
        """Scores (logits) [R] of each batch, of single unmasked views: `found[fold][batch][ion]`."""
        found = []
        for member in self.members:
            self._use(member)
            found.append([self._scores(member, batch) for batch in batches])
        return found

    def _scores(self, member: _Member, tokens: TokenBatch) -> dict[str, NDArray[np.float32]]:
        tokens = tokens.to(self.device)
        unknown_R = torch.full_like(tokens.target_R, UNKNOWN)
        batch = ProteinBatch("", (), tokens, labels_R=unknown_R, protein_R=unknown_R)
        _, raw_RVP = self.model.embed(batch)
        temperature = self.model.scoring_temperature
        scores = [
            prototype_scores(unit(raw_RVP, p.center_P), tokens.visible_RV, p.vector_P, temperature)
            for p in member.prototypes.values()
        ]
        rows = torch.stack(scores).float().cpu().numpy()
        return dict(zip(member.prototypes, rows, strict=True))

    @torch.no_grad()
    def _use(self, member: _Member) -> None:
        """Put a fold's trained values into the one network."""
        for name, parameter in self._trainable.items():
            parameter.copy_(member.trained[name])

    def _check(self, heads: Heads, fold: int, weights: str) -> None:
        """Raise `RunError` unless the heads are of this fold, backbone, spec."""
        where = self.run.files.fold(fold) / BEST_HEADS
        spec, description = self.run.spec, self.pipeline.backbone.description
        if heads.fingerprint != weights:
            raise RunError(
                f"{where}: the adapter was trained on another backbone.\n  trained on: {heads.backbone}\n"
                f"  found here: {description}\nThe weights differ (compared by hash). Use the checkpoint the run "
                "was trained on; --checkpoint says where it is"
            )
        if heads.fold != fold:
            raise RunError(f"{where} belongs to fold {heads.fold}; put every fold's files back where they were")
        if sorted(heads.prototypes) != sorted(spec.training.ions):
            raise RunError(f"{where} has prototypes of {', '.join(heads.prototypes)}, not of the run's ions")
        if heads.scoring_temperature != spec.scoring_temperature:
            raise RunError(
                f"{where} was trained with scoring temperature {heads.scoring_temperature:g}, but the run's spec "
                f"says {spec.scoring_temperature:g} now; put the spec back"
            )
        for ion, prototype in heads.prototypes.items():
            for vector in (prototype.vector_P, prototype.center_P):
                if vector.shape != (self.pipeline.width,) or not vector.isfinite().all():
                    raise RunError(
                        f"{where} is damaged: the prototype of {ion} is no vector of {self.pipeline.width}"
                    )
            if abs(float(prototype.vector_P.norm()) - 1) > 1e-3:
                raise RunError(f"{where} is damaged: the prototype of {ion} is not of unit length")

    def _member(self, heads: Heads) -> _Member:
        folder = self.run.files.fold(heads.fold)
        load_adapter(self.model.network, folder / BEST_ADAPTER)
        _load_projector(self.model.projector, heads.projector, folder / BEST_HEADS)
        trained = {name: p.detach().clone() for name, p in self._trainable.items()}
        prototypes = {ion: heads.prototypes[ion].to(self.device) for ion in self.run.ions}
        return _Member(heads.fold, trained, prototypes)


def _heads(path: Path) -> Heads:
    try:
        return load_heads(path)
    except (KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{path} is damaged and cannot be read: {error}") from error


def load_adapter(network: nn.Module, folder: Path) -> None:
    """Put a fold's adapter into a network that has an adapter of the same form. Raises `RunError`.

    The same as `PeftModel.from_pretrained` would make; but its configuration must be the spec's, every tensor must
    be there and none besides, and only safetensors are read.
    """
    from peft import get_peft_model_state_dict, set_peft_model_state_dict
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    file = folder / "adapter_model.safetensors"
    configs: Any = network.peft_config
    _check_config(folder / "adapter_config.json", configs["default"].to_dict())
    try:
        tensors = load_file(file)
    except FileNotFoundError:
        raise RunError(f"{file} is missing: the fold has no adapter") from None
    except (OSError, SafetensorError) as error:
        raise RunError(f"{file} is damaged and cannot be read: {error}") from error
    wanted = {name: tensor.shape for name, tensor in get_peft_model_state_dict(network).items()}
    if wanted != {name: tensor.shape for name, tensor in tensors.items()}:
        raise RunError(f"{file}: the adapter was trained on another backbone: its tensors do not fit this one's")
    if bad := [name for name, tensor in tensors.items() if not tensor.isfinite().all()]:
        raise RunError(f"{file} is damaged: {bad[0]} holds values that are not finite")
    set_peft_model_state_dict(network, tensors)


def _check_config(path: Path, wanted: Mapping[str, Any]) -> None:
    """Raise `RunError` where the stored configuration would compute something else than the spec's."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{path} is missing: the fold has no adapter") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise RunError(f"{path} is damaged and cannot be read: {error}") from error
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


def _load_projector(projector: nn.Module, tensors: Mapping[str, Tensor], where: Path) -> None:
    try:
        projector.load_state_dict(dict(tensors))
    except RuntimeError as error:
        raise RunError(f"{where} is damaged: its projector is not the spec's: {error}") from error


def choose_device(name: str) -> torch.device:
    """The device a user means: "auto", "cpu", "cuda" or "cuda:N". Raises `UserError`."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda") or (number and not number.isdigit()) or (kind == "cpu" and number):
        raise UserError(f"--device {name}: there is no such device; use auto, cpu, cuda or cuda:N")
    if kind == "cuda" and not torch.cuda.is_available():
        raise UserError(f"--device {name}: torch sees no GPU here; use --device cpu")
    if kind == "cuda" and number and int(number) >= torch.cuda.device_count():
        raise UserError(f"--device {name}: there are {torch.cuda.device_count()} GPUs, counted from 0")
    return torch.device(name)
