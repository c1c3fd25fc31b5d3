"""The hooks: one for each kind of component. A hook returns descriptors; it builds and imports nothing."""

from __future__ import annotations

from collections.abc import Sequence

import pluggy

from e1bind.plugins.descriptors import (
    BackbonePlugin,
    BaselinePlugin,
    CalibrationPlugin,
    HeadPlugin,
    LossPlugin,
    MetricPlugin,
    ReaderPlugin,
    TrackerPlugin,
    ViewGeneratorPlugin,
)

PROJECT = "e1bind"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def e1bind_readers() -> Sequence[ReaderPlugin]:
    """Data readers of this plugin."""
    return ()


@hookspec
def e1bind_backbones() -> Sequence[BackbonePlugin]:
    """Backbones of this plugin."""
    return ()


@hookspec
def e1bind_view_generators() -> Sequence[ViewGeneratorPlugin]:
    """View generators of this plugin."""
    return ()


@hookspec
def e1bind_heads() -> Sequence[HeadPlugin]:
    """Heads of this plugin."""
    return ()


@hookspec
def e1bind_losses() -> Sequence[LossPlugin]:
    """Losses of this plugin."""
    return ()


@hookspec
def e1bind_metrics() -> Sequence[MetricPlugin]:
    """Metrics of this plugin."""
    return ()


@hookspec
def e1bind_baselines() -> Sequence[BaselinePlugin]:
    """Baselines of this plugin."""
    return ()


@hookspec
def e1bind_calibrations() -> Sequence[CalibrationPlugin]:
    """Calibrations of this plugin."""
    return ()


@hookspec
def e1bind_trackers() -> Sequence[TrackerPlugin]:
    """Trackers of this plugin."""
    return ()
