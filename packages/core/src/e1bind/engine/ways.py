"""The ways in which a backbone may compute a training step, from the fastest to the one that keeps least.

A way is what stands in place of the backbone's own options `view_execution` and `activation_checkpointing`. Only
what a spec leaves at "auto" is open, and only backbones that are `contracts.Adjustable` have more than one way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from e1bind.engine.model import ContrastiveModel
from e1bind.engine.pipeline import Pipeline

Way = Mapping[str, str | bool]
"""Options by name; without any the backbone computes as its spec says."""
VIEWS, LAYERS = "view_execution", "activation_checkpointing"
ONE_BY_ONE: Way = {VIEWS: "separate"}
INPUTS_ALONE: Way = {LAYERS: True}
AUTO = "auto"


def ways(pipeline: Pipeline) -> list[Way]:
    """What the spec leaves open, its own way first; views one by one, layers that keep their inputs alone, both.

    Either costs about one more forward pass.
    """
    if not pipeline.backbone.is_adjustable:
        return [{}]
    has_views = pipeline.views.num_views > 1
    views: list[Way] = [{}, ONE_BY_ONE] if has_views and _option(pipeline, VIEWS) == AUTO else [{}]
    layers: list[Way] = [{}, INPUTS_ALONE] if _option(pipeline, LAYERS) == AUTO else [{}]
    return [{**by_layer, **by_view} for by_layer in layers for by_view in views]


def pinned(pipeline: Pipeline) -> Way:
    """What the spec says of these options where it does not leave them open."""
    said = {name: _option(pipeline, name) for name in (VIEWS, LAYERS)}
    return {name: value for name, value in said.items() if value not in (None, AUTO)}


def runs_one_by_one(pipeline: Pipeline, way: Way) -> bool:
    """Whether each view has a forward pass of its own."""
    return way.get(VIEWS, _option(pipeline, VIEWS)) == "separate"


def keeps_inputs_alone(pipeline: Pipeline, way: Way) -> bool:
    """Whether layers keep nothing but their inputs."""
    return way.get(LAYERS, _option(pipeline, LAYERS)) is True


def computing(pipeline: Pipeline, model: ContrastiveModel, way: Way) -> Pipeline:
    """The pipeline whose backbone computes in that way; `model` is set up for it."""
    if not way:
        return pipeline
    options = pipeline.spec.backbone.options.model_copy(update=dict(way))
    backbone = pipeline.backbone.adjusted(model.network, options)
    model.backbone = backbone
    return replace(pipeline, backbone=backbone, encoder=backbone.encoder())


def _option(pipeline: Pipeline, name: str) -> Any:
    """The spec's; None where the backbone has no such option."""
    return getattr(pipeline.spec.backbone.options, name, None)
