"""JSON Schema of the spec, built from the plugins that are installed: editors then complete and check the file."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from e1bind.errors import PluginError
from e1bind.plugins import Component, PluginIndex
from e1bind.spec.sections import ASSUMED, COMPONENT_TABLES, HOST_SECTIONS, MIXED, SINGLE_CHOICE

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def build_schema(index: PluginIndex) -> tuple[dict[str, Any], list[str]]:
    """The schema, and a sentence for each component left out because its options cannot be imported."""
    options, left_out = _importable_options(index)
    models: list[type[BaseModel]] = [*HOST_SECTIONS.values(), *dict.fromkeys(options.values())]
    references, definitions = models_json_schema(
        [(m, "validation") for m in models], ref_template="#/$defs/{model}"
    )
    properties: dict[str, Any] = {"schema_version": {"const": 1}, "extends": _EXTENDS}
    for name, section in HOST_SECTIONS.items():
        properties[name] = references[(section, "validation")]
    for table, kind in COMPONENT_TABLES.items():
        keyed = {
            name: _component_schema(component, references[(options[component.full_name, kind], "validation")])
            for component in index.components(kind)
            if (component.full_name, kind) in options
            for name in _names(component, index)
        }
        properties[table] = _keyed_schema(table, keyed, definitions)
    schema = {
        "$schema": DIALECT,
        "title": "e1bind run spec",
        "type": "object",
        "properties": properties,
        "required": ["schema_version", "run", "training", "losses", *sorted(set(SINGLE_CHOICE) - set(ASSUMED))],
        "additionalProperties": False,
        "$defs": definitions["$defs"],
    }
    return schema, left_out


_EXTENDS = {
    "description": "Spec file(s) this one is laid over.",
    "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
}


def _importable_options(index: PluginIndex) -> tuple[dict[tuple[str, str], type[BaseModel]], list[str]]:
    options: dict[tuple[str, str], type[BaseModel]] = {}
    left_out = []
    for component in index.components():
        try:
            options[component.full_name, component.kind] = component.load_options()
        except PluginError as error:
            left_out.append(str(error))
    return options, left_out


def _names(component: Component, index: PluginIndex) -> list[str]:
    return [component.full_name] if index.shadowed(component) else [component.name, component.full_name]


def _component_schema(component: Component, reference: dict[str, Any]) -> dict[str, Any]:
    host: dict[str, Any] = {
        "use": {"type": "string", "description": "Component, where the table has another name."}
    }
    if component.kind == "loss":
        host["weight"] = {
            "type": "number",
            "minimum": 0,
            "default": 1.0,
            "description": "Factor in the sum of losses.",
        }
    return {"description": component.plugin.summary, "options": reference, "host": host}


def _keyed_schema(table: str, keyed: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Host keys and options share one object: the model's properties are copied beside `use` and `weight`."""
    properties = {}
    for name, parts in keyed.items():
        model = definitions["$defs"][parts["options"]["$ref"].rsplit("/", 1)[1]]
        merged = {**model, "properties": {**model.get("properties", {}), **parts["host"]}}
        properties[name] = {**merged, "description": parts["description"]}
    # A table of any other name is allowed where it says with `use` which component it means.
    schema: dict[str, Any] = {
        "type": "object",
        "properties": properties,
        "additionalProperties": {"type": "object", "required": ["use"]},
    }
    if table in SINGLE_CHOICE:
        schema |= {"minProperties": 1, "maxProperties": 1}
    if table in MIXED:
        section = definitions["$defs"][HOST_SECTIONS[table].__name__]
        schema["properties"] = {**section["properties"], **properties}
    return schema
