"""A component's table as a spec would hold it, with its defaults: to paste and to change."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, get_origin

from pydantic import BaseModel

from e1bind.plugins import Component
from e1bind.spec.sections import COMPONENT_TABLES
from e1bind_cli.toml_text import toml_of

_TABLES = {kind: table for table, kind in COMPONENT_TABLES.items()}


def example_table(component: Component, model: type[BaseModel], name: str) -> str:
    """`[losses.NAME]` with every option: at its default, commented out where that is none, or to be filled in."""
    path = f"{_TABLES[component.kind]}.{name if '/' not in name else json.dumps(name)}"
    weight = ["weight = 1.0"] if component.kind == "loss" else []
    return "\n".join(_table(path, model, weight))


def _table(path: str, model: type[BaseModel], head: list[str]) -> Iterator[str]:
    yield f"[{path}]"
    yield from head
    nested = []
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            nested.append((f"{path}.{name}", field.annotation))
        else:
            yield _line(name, field)
    for inner_path, inner in nested:
        yield from ("", *_table(inner_path, inner, []))


def _line(name: str, field: Any) -> str:
    if field.is_required():
        blank = '{ ION = "..." }' if get_origin(field.annotation) is dict else '"..."'
        return f"{name} = {blank}  # required"
    default = field.get_default(call_default_factory=True)
    return f"# {name} =" if default is None else f"{name} = {toml_of(default)}"
