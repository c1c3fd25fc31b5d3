"""The plugin host. A plugin module needs `hookimpl` and the descriptors from here, nothing else."""

from e1bind.plugins.descriptors import (
    API_VERSION,
    BackbonePlugin,
    ComponentPlugin,
    LossPlugin,
    MetricPlugin,
    ReaderPlugin,
    ViewGeneratorPlugin,
)
from e1bind.plugins.hookspecs import hookimpl

__all__ = [
    "API_VERSION",
    "BackbonePlugin",
    "ComponentPlugin",
    "LossPlugin",
    "MetricPlugin",
    "ReaderPlugin",
    "ViewGeneratorPlugin",
    "hookimpl",
]
