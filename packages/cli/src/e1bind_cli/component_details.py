"""What there is to say of a component: its options in words, an example table, and where it is defined."""

from __future__ import annotations

import ast
import importlib.util
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from e1bind.plugins import Component
from e1bind.spec.options import Options
from e1bind_cli.constraints import in_words
from e1bind_cli.example_table import example_table
from e1bind_cli.toml_text import toml_of


def details_of(component: Component, name: str) -> dict[str, Any]:
    """All that `describe` shows; `name` is what a spec calls the component. Raises `PluginError`."""
    model: type[Options] = component.load_options()
    plugin, defaults = component.plugin, _defaults(model)
    return {
        "kind": component.kind,
        "full_name": component.full_name,
        "summary": plugin.summary,
        "needs": sorted(plugin.needs | defaults.requirements() if defaults else plugin.needs),
        "provides": sorted(plugin.provides | defaults.capabilities() if defaults else plugin.provides),
        "target": _location(plugin.target),
        "options_at": _location(plugin.options),
        "options": options_of(model),
        "example": example_table(component, model, name),
    }


def options_of(model: type[Options]) -> list[dict[str, str]]:
    """Name, type, default and description of each option, in words."""
    return [_option(option, field) for option, field in model.model_fields.items()]


def _defaults(model: type[Options]) -> Options | None:
    """The options where none is given, which may add to what the component needs and provides."""
    try:
        return model()
    except ValidationError:
        return None


def _option(name: str, field: FieldInfo) -> dict[str, str]:
    default = "(required)" if field.is_required() else toml_of(field.get_default(call_default_factory=True))
    return {
        "name": name,
        "type": in_words(field.annotation, field.metadata),
        "default": default,
        "description": field.description or "",
    }


def _location(target: str) -> str:
    """ "module:Name (file:line)", read from the source without importing the module."""
    module, _, name = target.partition(":")
    origin = _source_of(module)
    if origin is None:
        return target
    tree = ast.parse(Path(origin).read_text(encoding="utf-8"))
    lines = [
        node.lineno
        for node in tree.body
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name.split(".")[0]
    ]
    return f"{target} ({origin}:{lines[0]})" if lines else f"{target} ({origin})"


def _source_of(module: str) -> str | None:
    """The file of a module. `find_spec` alone would import its parents, which may bring torch."""
    top, *below = module.split(".")
    spec = importlib.util.find_spec(top)
    for name in below:
        if spec is None:
            return None
        spec = PathFinder.find_spec(f"{spec.name}.{name}", spec.submodule_search_locations)
    return spec.origin if spec else None
