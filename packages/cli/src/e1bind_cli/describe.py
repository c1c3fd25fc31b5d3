"""`e1bind describe KIND.NAME`: a component's options, and the file and line it is defined at."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from e1bind.errors import UserError
from e1bind.plugins import KINDS, Component, PluginIndex, discover
from e1bind_cli.arguments import AsJson
from e1bind_cli.completion import component_names
from e1bind_cli.console import out
from e1bind_cli.kinds import ALIASES, kind_of


def describe(
    component: Annotated[
        str,
        typer.Argument(
            metavar="KIND.NAME",
            help="For example loss.nt-xent or backbone.e1.",
            autocompletion=component_names,
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Show a component's options with types, defaults and descriptions, and where it is defined."""
    from e1bind_cli.component_details import details_of

    index = discover()
    found = _find(component, index)
    details = details_of(found, found.full_name if index.shadowed(found) else found.name)
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
        table.add_column(column, overflow="fold", no_wrap=column == "option")
    for option in details["options"]:
        table.add_row(*(Text(str(option[c])) for c in ("name", "type", "default", "description")))
    if details["options"]:
        out.print(table)
    out.print(Text(f"\n{details['example']}"), soft_wrap=True)


def _find(name: str, index: PluginIndex) -> Component:
    word, dot, rest = name.partition(".")
    kind = kind_of(word)
    if not dot or kind is None:
        from e1bind.spec.problems import did_you_mean

        hint = did_you_mean(word, [*KINDS, *ALIASES])
        raise UserError(f"{name!r} is not KIND.NAME; KIND is one of {', '.join(KINDS)}{hint}")
    return index.get(kind, rest)
