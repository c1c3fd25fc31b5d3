"""The models of all folds of a run: one backbone in memory, and each fold's adapter, projector, head, prototypes.

Shape legend: R residues of a batch, D backbone width, P prototype width.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from e1bind.contracts import UNKNOWN, TokenBatch
from e1bind.data.collate import ProteinBatch
from e1bind.engine.cpu_memory import keep_freed_memory
from e1bind.engine.guards import memory_told
from e1bind.engine.model import ContrastiveModel, unit
from e1bind.engine.pipeline import Pipeline, adapted, build_pipeline, build_projector
from e1bind.errors import RunError, UserError
from e1bind.runs.adapters import Heads, load_adapter, load_head, load_heads
from e1bind.runs.fingerprints import fingerprint
from e1bind.runs.reader import FinishedRun
from e1bind.scoring import Prototype

PREDICTION_MEMORY = (
    "lower --max-tokens; a single window with its context is one batch at least (msa.validation.max_token_length, "
    "training.max_residues and the backbone's limit bound it)"
)


@dataclass(frozen=True, eq=False)
class _Member:
    """One fold: the values of everything that was trained, the head's buffers, and the prototypes."""

    fold: int
    trained: Mapping[str, Tensor]
    head: Mapping[str, Tensor]
    prototypes: Mapping[str, Prototype]


class Ensemble:
    """Scores batches with every fold of a run. Raises `RunError` where a fold does not belong to the backbone."""

    def __init__(self, run: FinishedRun, device: torch.device) -> None:
        self.run, self.device = run, device
        keep_freed_memory(device)
        self.pipeline: Pipeline = build_pipeline(run.spec)
        heads = [load_heads(run.files.fold(fold)) for fold in run.folds]
        with memory_told("loading the model", "use --device cpu, or a machine with more of it"):
            network = self.pipeline.backbone.load_model().to(device)
        weights = fingerprint(network)
        for found, fold in zip(heads, run.folds, strict=True):
            self._check(found, fold, weights)
        self.model = ContrastiveModel(
            backbone=self.pipeline.backbone,
            network=adapted(self.pipeline, network),
            projector=build_projector(self.pipeline, 0),
            head=self.pipeline.head.module(run.spec.training.ions, self.pipeline.width),
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

    @torch.inference_mode()
    def embed(self, batches: Sequence[TokenBatch], fold: int, projected: bool) -> Iterator[NDArray[np.float32]]:
        """Residue embeddings of each batch by the model of one fold: [R, D], or [R, P] after its projector."""
        self.network_of(fold)
        for tokens in batches:
            with memory_told(f"at a batch of {tokens.tokens:,} tokens", PREDICTION_MEMORY):
                batch = _unlabelled(tokens.to(self.device))
                hidden, raw_RVP = self.model.embed(batch)
                found = raw_RVP[:, 0] if projected else hidden.index_select(0, batch.tokens.token_RV[:, 0])
                yield found.float().cpu().numpy()

    def network_of(self, fold: int) -> nn.Module:
        """The one network, with the adapter of `fold` in it until another fold is used."""
        self._use(next(member for member in self.members if member.fold == fold))
        return self.model.network

    def _scores(self, member: _Member, tokens: TokenBatch) -> dict[str, NDArray[np.float32]]:
        with memory_told(f"at a batch of {tokens.tokens:,} tokens", PREDICTION_MEMORY):
            return self._scored(member, tokens.to(self.device))

    def _scored(self, member: _Member, tokens: TokenBatch) -> dict[str, NDArray[np.float32]]:
        _, raw_RVP = self.model.embed(_unlabelled(tokens))
        prototypes = {ion: member.prototypes.get(ion) for ion in self.run.ions}
        scores = [
            self.model.scored(ion, tokens.visible_RV, raw_RVP, unit(raw_RVP, prototype), prototype)
            for ion, prototype in prototypes.items()
        ]
        rows = torch.stack(scores).float().cpu().numpy()
        return dict(zip(self.run.ions, rows, strict=True))

    @torch.no_grad()
    def _use(self, member: _Member) -> None:
        """Put a fold's trained values into the one network."""
        for name, parameter in self._trainable.items():
            parameter.copy_(member.trained[name])
        for name, buffer in self.model.head.named_buffers():
            buffer.copy_(member.head[name])

    def _check(self, heads: Heads, fold: int, weights: str) -> None:
        """Raise `RunError` unless the heads are of this fold, backbone, spec."""
        where = self.run.files.fold(fold).heads
        spec, description = self.run.spec, self.pipeline.backbone.description
        if heads.fingerprint != weights:
            raise RunError(
                f"{where}: the adapter was trained on another backbone.\n  trained on: {heads.backbone}\n"
                f"  found here: {description}\nThe weights differ (compared by hash). Use the checkpoint the run "
                "was trained on; --checkpoint says where it is"
            )
        if heads.fold != fold:
            raise RunError(f"{where} belongs to fold {heads.fold}; put every fold's files back where they were")
        if sorted(heads.prototypes) != (sorted(spec.training.ions) if spec.has_prototypes else []):
            named = ", ".join(heads.prototypes) or "no ion"
            raise RunError(f"{where} has prototypes of {named}, not those of the run's ions and head")
        if heads.scoring_temperature != spec.scoring_temperature:
            raise RunError(
                f"{where} was trained with scoring temperature {heads.scoring_temperature:g}, but the run's spec "
                f"says {spec.scoring_temperature:g} now; put the spec back"
            )
        for ion, prototype in heads.prototypes.items():
            if {prototype.vector_P.shape, prototype.center_P.shape} != {(self.pipeline.width,)}:
                raise RunError(f"{where} is damaged: the prototype of {ion} is no vector of {self.pipeline.width}")

    def _member(self, heads: Heads) -> _Member:
        folder = self.run.files.fold(heads.fold)
        if self.run.spec.lora.enabled:
            load_adapter(self.model.network, folder)
        _load_projector(self.model.projector, heads.projector, folder.heads)
        own = dict(self.model.head.state_dict())
        if missing := sorted(own.keys() - heads.head.keys()):
            raise RunError(f"{folder.heads} is damaged: its head has no {missing[0]}")
        load_head(self.model.head, heads.head, folder.heads)
        trained = {name: p.detach().clone() for name, p in self._trainable.items()}
        buffers = {name: buffer.detach().clone() for name, buffer in self.model.head.named_buffers()}
        prototypes = {ion: prototype.to(self.device) for ion, prototype in heads.prototypes.items()}
        return _Member(heads.fold, trained, buffers, prototypes)


def _unlabelled(tokens: TokenBatch) -> ProteinBatch:
    unknown_R = torch.full_like(tokens.target_R, UNKNOWN)
    return ProteinBatch("", (), tokens, labels_R=unknown_R, protein_R=unknown_R)


def _load_projector(projector: nn.Module, tensors: Mapping[str, Tensor], where: Path) -> None:
    try:
        projector.load_state_dict(dict(tensors))
    except (RuntimeError, TypeError, AttributeError) as error:
        raise RunError(f"{where} is damaged: its projector is not the spec's: {error}") from error


def choose_device(name: str, option: str = "--device") -> torch.device:
    """The device a user means: "auto", "cpu", "cuda" or "cuda:N". Raises `UserError` that names `option`."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda") or (number and not number.isdigit()) or (kind == "cpu" and number):
        raise UserError(f"{option} {name}: there is no such device; use auto, cpu, cuda or cuda:N")
    if kind == "cuda" and not torch.cuda.is_available():
        raise UserError(f"{option} {name}: torch sees no GPU here; use cpu")
    if kind == "cuda" and number and int(number) >= torch.cuda.device_count():
        raise UserError(f"{option} {name}: there are {torch.cuda.device_count()} GPUs, counted from 0")
    return torch.device(name)
