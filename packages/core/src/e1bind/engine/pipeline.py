"""The components of a run, built once from its spec."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from e1bind.contracts import ViewEncoder
from e1bind.data.msa_contexts import MsaContexts
from e1bind.data.msa_profiles import Profiles
from e1bind.engine.guarded import (
    GuardedBackbone,
    GuardedBaseline,
    GuardedHead,
    GuardedMetric,
    GuardedViews,
    built,
    guarded_loss,
)
from e1bind.engine.model import ContrastiveModel
from e1bind.engine.seeds import derive, seed_torch
from e1bind.errors import UserError
from e1bind.metrics.probability_maps import Calibrator
from e1bind.runs.fingerprints import fingerprint
from e1bind.spec import RunSpec
from e1bind.spec.sections import MsaSampling


@dataclass(frozen=True)
class Pipeline:
    """Built components. `train_contexts` and `validation_contexts` are None where the backbone reads none."""

    spec: RunSpec
    backbone: GuardedBackbone
    encoder: ViewEncoder
    views: GuardedViews
    head: GuardedHead
    metrics: Mapping[str, GuardedMetric]
    baselines: Mapping[str, GuardedBaseline]
    calibrator: Calibrator | None
    train_contexts: MsaContexts | None
    validation_contexts: MsaContexts | None

    @property
    def width(self) -> int:
        """Width of the space embeddings are compared in."""
        return self.spec.prototypes.prototype_dim or self.backbone.hidden_size

    @property
    def max_residues(self) -> int | None:
        """Longest window: the spec's, never above the backbone's limit."""
        limits = [n for n in (self.spec.training.max_residues, self.backbone.max_residues) if n is not None]
        return min(limits) if limits else None


def build_pipeline(spec: RunSpec, msa_cache: Path | None = None) -> Pipeline:
    """Build every component but the weights. Raises `UserError` where they do not fit together.

    `msa_cache`: where profiles of alignments are kept if the spec does not say; None: in memory alone.
    """
    backbone = GuardedBackbone(spec.backbone)
    section = spec.prototypes
    if section.prototype_dim not in (None, backbone.hidden_size) and section.projector == "none":
        raise UserError(
            f"prototypes.prototype_dim is {section.prototype_dim}, but the hidden size of "
            f"backbone.{spec.backbone.label} is {backbone.hidden_size}: leave prototype_dim out, or set "
            "prototypes.projector = 'linear'"
        )
    if "mlm-logits" in spec.needs and not backbone.has_mlm_head:
        losses = [label for label, c in spec.active_losses.items() if "mlm-logits" in c.needs]
        raise UserError(
            f"losses.{losses[0]} needs a masked-LM head, and backbone.{spec.backbone.label}'s checkpoint has none: "
            f"remove [losses.{losses[0]}], give it weight = 0, or use a masked-LM checkpoint"
        )
    contexts, longest = backbone.supports_context, backbone.max_residues
    profiles = _shared_profiles(spec, spec.msa.cache_dir or msa_cache)
    return Pipeline(
        spec=spec,
        backbone=backbone,
        encoder=backbone.encoder(),
        views=GuardedViews(spec.views),
        head=GuardedHead(spec.head),
        metrics={label: GuardedMetric(chosen) for label, chosen in spec.metric_components.items()},
        baselines={label: GuardedBaseline(chosen) for label, chosen in spec.baseline_components.items()},
        calibrator=Calibrator(spec.calibration) if spec.calibration else None,
        train_contexts=_contexts(spec.msa.train, profiles, longest) if contexts else None,
        validation_contexts=(
            _contexts(spec.msa.validation, profiles, longest)
            if contexts and spec.msa.contexts_in_validation
            else None
        ),
    )


def _shared_profiles(spec: RunSpec, folder: Path | None) -> dict[float, Profiles]:
    """One store for each similarity of neighbours: training and validation mostly have the same."""
    thresholds = {of.neighbor_similarity_lower_bound for of in (spec.msa.train, spec.msa.validation)}
    return {threshold: Profiles(threshold, folder) for threshold in thresholds}


def _contexts(options: MsaSampling, profiles: Mapping[float, Profiles], longest: int | None) -> MsaContexts:
    return MsaContexts(options, profiles[options.neighbor_similarity_lower_bound], longest)


def try_trackers(spec: RunSpec) -> None:
    """Build every tracker once. Raises `UserError` for one that cannot be built; a run would go on without it."""
    for chosen in spec.trackers.values():
        built(chosen)


def build_losses(spec: RunSpec) -> dict[str, nn.Module]:
    """The losses that have a weight, by label. Raises `ContractError` for one that is no module."""
    return {label: guarded_loss(chosen) for label, chosen in spec.active_losses.items()}


def build_model(pipeline: Pipeline, fold: int) -> ContrastiveModel:
    """A fresh model for one fold: pretrained weights, new adapter, new projector; seeded by run and fold."""
    spec = pipeline.spec
    seed_torch(spec.run.seed, "model", fold)
    losses = build_losses(spec)
    network = pipeline.backbone.load_model()
    print_of_weights = fingerprint(network)
    return ContrastiveModel(
        backbone=pipeline.backbone,
        network=adapted(pipeline, network),
        projector=build_projector(pipeline, derive(spec.run.seed, "projector", fold)),
        head=pipeline.head.module(spec.training.ions, pipeline.width),
        losses=losses,
        weights={label: chosen.weight for label, chosen in spec.active_losses.items()},
        scoring_temperature=spec.scoring_temperature,
        needs_mlm="mlm-logits" in spec.needs,
        fingerprint=print_of_weights,
    )


def adapted(pipeline: Pipeline, network: nn.Module) -> nn.Module:
    """`network` wrapped by peft as `[lora]` says; everything else is frozen, and without LoRA all of it."""
    if not pipeline.spec.lora.enabled:
        return network.requires_grad_(False)
    return _with_lora(pipeline, network)


@contextmanager
def unadapted(pipeline: Pipeline, network: nn.Module) -> Iterator[None]:
    """The `network` of `adapted` as it was before it was adapted, for the time being."""
    if not pipeline.spec.lora.enabled:
        yield
        return
    with network.disable_adapter():  # type: ignore[operator]
        yield


def _with_lora(pipeline: Pipeline, network: nn.Module) -> nn.Module:
    from peft import LoraConfig, get_peft_model

    from e1bind.engine.lora_linear import use_one_operation

    section, backbone = pipeline.spec.lora, pipeline.backbone
    targets = list(section.targets or backbone.lora_targets)
    names = {name.rsplit(".", 1)[-1] for name, module in network.named_modules() if isinstance(module, nn.Linear)}
    unknown = [t for t in targets if t.rsplit(".", 1)[-1] not in names]
    if unknown:
        raise UserError(
            f"lora.targets: no linear module is named {', '.join(unknown)}; "
            f"this backbone has {', '.join(sorted(names))}"
        )
    config = LoraConfig(
        r=section.r,
        lora_alpha=section.alpha,
        lora_dropout=section.dropout,
        use_rslora=section.use_rslora,
        use_dora=section.use_dora,
        target_modules=targets,
        bias=section.bias,
        modules_to_save=list(backbone.mlm_head_modules) if section.train_mlm_head else None,
    )
    with warnings.catch_warnings():
        # peft reads an attribute that transformers has renamed; nothing for a user to do about it.
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*", category=FutureWarning)
        wrapped = get_peft_model(network, config)
    if section.fused:
        use_one_operation(wrapped)
    return wrapped


def build_projector(pipeline: Pipeline, seed: int) -> nn.Module:
    """The map from the backbone's width to the prototype's: identity, or a trainable orthogonal-at-start matrix."""
    if pipeline.spec.prototypes.projector == "none":
        return nn.Identity()
    projector = nn.Linear(pipeline.backbone.hidden_size, pipeline.width, bias=False)
    nn.init.orthogonal_(projector.weight, generator=torch.Generator().manual_seed(seed))
    return projector
