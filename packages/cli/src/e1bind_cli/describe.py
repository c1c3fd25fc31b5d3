"""`e1bind describe KIND.NAME`: a component's options, and the file and line it is defined at."""

from __future__ import annotations

import ast
import importlib.util
import json
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel
from pydantic_core import PydanticUndefined
from rich.table import Table
from rich.text import Text

from e1bind.errors import UserError
from e1bind.plugins import KINDS, Component, discover
from e1bind.spec.problems import did_you_mean
from e1bind_cli.arguments import AsJson
from e1bind_cli.console import out

_ALIASES = {
    "losses": "loss",
    "metrics": "metric",
    "views": "view_generator",
    "data": "reader",
    "backbones": "backbone",
}


def describe(
    component: Annotated[str, typer.Argument(metavar="KIND.NAME", help="For example loss.nt-xent or backbone.e1.")],
    as_json: AsJson = False,
) -> None:
    """Show a component's options with types, defaults and descriptions, and where it is defined."""
    found = _find(component)
    model = found.load_options()
    details = _details(found, model)
    if as_json:
        typer.echo(json.dumps(details, indent=2))
        return
    out.print(Text(f"{found.kind} {found.full_name}", style="bold"))
    out.print(Text(found.plugin.summary))
    for title in ("needs", "provides"):
        if details[title]:
            out.print(Text(f"{title}: {', '.join(details[title])}"))
    out.print(Text(f"target:  {details['target']}\noptions: {details['options_at']}"), soft_wrap=True)
    table = Table()
    for column in ("option", "type", "default", "description"):
        table.add_column(column, overflow="fold")
    for option in details["options"]:
        table.add_row(*(Text(str(option[c])) for c in ("name", "type", "default", "description")))
    out.print(table)


def _find(name: str) -> Component:
    kind, dot, rest = name.partition(".")
    kind = _ALIASES.get(kind, kind.replace("-", "_"))
    if not dot or kind not in KINDS:
        hint = did_you_mean(kind, [*KINDS, *_ALIASES])
        raise UserError(f"{name!r} is not KIND.NAME; KIND is one of {', '.join(KINDS)}{hint}")
    return discover().get(kind, rest)


def _details(component: Component, model: type[BaseModel]) -> dict[str, Any]:
    plugin = component.plugin
    return {
        "kind": component.kind,
        "full_name": component.full_name,
        "summary": plugin.summary,
        "needs": sorted(plugin.needs),
        "provides": sorted(plugin.provides),
        "target": _location(plugin.target),
        "options_at": _location(plugin.options),
        "options": [_option(name, field) for name, field in model.model_fields.items()],
    }


def _option(name: str, field: Any) -> dict[str, str]:
    if field.is_required():
        default = "(required)"
    elif field.default is PydanticUndefined or field.default is None:
        default = "(absent)"
    else:
        default = json.dumps(field.default, default=str)
    return {
        "name": name,
        "type": _type_name(field),
        "default": default,
        "description": field.description or "",
    }


def _type_name(field: Any) -> str:
    annotation = field.annotation
    name = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    bounds = [str(m) for m in field.metadata if type(m).__module__ == "annotated_types"]
    name = name.replace("typing.", "").replace("pathlib._local.", "").replace("pathlib.", "")
    return f"{name} {', '.join(bounds)}".strip()


def _location(target: str) -> str:
    """ "module:Name (file:line)", read from the source without importing the module."""
    module, _, name = target.partition(":")
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return target
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    lines = [
        node.lineno
        for node in tree.body
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name.split(".")[0]
    ]
    return f"{target} ({spec.origin}:{lines[0]})" if lines else f"{target} ({spec.origin})"
