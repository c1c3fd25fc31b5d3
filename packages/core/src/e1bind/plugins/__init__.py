"""The plugin host. A plugin module needs `hookimpl` and the descriptors from here, nothing else."""

from e1bind.plugins.api import API_VERSION
from e1bind.plugins.descriptors import (
    KINDS,
    BackbonePlugin,
    BaselinePlugin,
    CalibrationPlugin,
    ComponentPlugin,
    HeadPlugin,
    LossPlugin,
    MetricPlugin,
    ReaderPlugin,
    TrackerPlugin,
    ViewGeneratorPlugin,
)
from e1bind.plugins.discovery import PluginPolicy, discover
from e1bind.plugins.hookspecs import hookimpl
from e1bind.plugins.index import Component, PluginIndex, PluginStatus
from e1bind.plugins.provenance import Source

__all__ = [
    "API_VERSION",
    "KINDS",
    "BackbonePlugin",
    "BaselinePlugin",
    "CalibrationPlugin",
    "Component",
    "ComponentPlugin",
    "HeadPlugin",
    "LossPlugin",
    "MetricPlugin",
    "PluginIndex",
    "PluginPolicy",
    "PluginStatus",
    "ReaderPlugin",
    "Source",
    "TrackerPlugin",
    "ViewGeneratorPlugin",
    "discover",
    "hookimpl",
]
