"""`e1bind describe KIND.NAME`: a component's options, and the file and line it is defined at."""

from __future__ import annotations

import ast
import importlib.util
import json
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from pydantic_core import PydanticUndefined
from rich.table import Table
from rich.text import Text

from e1bind.errors import UserError
from e1bind.plugins import KINDS, Component, PluginIndex, discover
from e1bind.spec.options import Options
from e1bind.spec.problems import did_you_mean
from e1bind_cli.arguments import AsJson
from e1bind_cli.console import out
from e1bind_cli.constraints import in_words
from e1bind_cli.example_table import example_table
from e1bind_cli.kinds import ALIASES, kind_of


def describe(
    component: Annotated[str, typer.Argument(metavar="KIND.NAME", help="For example loss.nt-xent or backbone.e1.")],
    as_json: AsJson = False,
) -> None:
    """Show a component's options with types, defaults and descriptions, and where it is defined."""
    index = discover()
    found = _find(component, index)
    model = found.load_options()
    details = _details(found, model, found.full_name if index.shadowed(found) else found.name)
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
    if details["options"]:
        out.print(table)
    out.print(Text(f"\n{details['example']}"), soft_wrap=True)


def _find(name: str, index: PluginIndex) -> Component:
    word, dot, rest = name.partition(".")
    kind = kind_of(word)
    if not dot or kind is None:
        hint = did_you_mean(word, [*KINDS, *ALIASES])
        raise UserError(f"{name!r} is not KIND.NAME; KIND is one of {', '.join(KINDS)}{hint}")
    return index.get(kind, rest)


def _details(component: Component, model: type[Options], name: str) -> dict[str, Any]:
    plugin, defaults = component.plugin, _defaults(model)
    return {
        "kind": component.kind,
        "full_name": component.full_name,
        "summary": plugin.summary,
        "needs": sorted(plugin.needs | defaults.requirements() if defaults else plugin.needs),
        "provides": sorted(plugin.provides | defaults.capabilities() if defaults else plugin.provides),
        "target": _location(plugin.target),
        "options_at": _location(plugin.options),
        "options": [_option(option, field) for option, field in model.model_fields.items()],
        "example": example_table(component, model, name),
    }


def _defaults(model: type[Options]) -> Options | None:
    """The options where none is given, which may add to what the component needs and provides."""
    try:
        return model()
    except ValidationError:
        return None


def _option(name: str, field: Any) -> dict[str, str]:
    if field.is_required():
        default = "(required)"
    elif field.default is PydanticUndefined or field.default is None:
        default = "(absent)"
    else:
        default = json.dumps(field.default, default=str)
    return {
        "name": name,
        "type": in_words(field.annotation, field.metadata),
        "default": default,
        "description": field.description or "",
    }


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
