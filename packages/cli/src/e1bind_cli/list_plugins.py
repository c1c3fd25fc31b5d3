"""`e1bind list-plugins`: what is installed, from where, and what is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from e1bind.plugins import KINDS, Component, PluginIndex, PluginStatus, discover
from e1bind.spec.loading import load_raw
from e1bind.spec.validation import plugin_policy
from e1bind_cli.arguments import AsJson
from e1bind_cli.console import out


def list_plugins(
    as_json: AsJson = False,
    spec: Annotated[Path | None, typer.Option("--spec", help="Also apply this spec's [plugins] table.")] = None,
) -> None:
    """List plugins and their components, broken ones with the reason."""
    index = discover(plugin_policy(load_raw(spec)) if spec else None)
    if as_json:
        typer.echo(json.dumps(_as_json(index), indent=2))
        return
    _print_plugins(index)
    _print_components(index)


def _as_json(index: PluginIndex) -> dict[str, Any]:
    return {
        "plugins": [
            {**p.source.as_dict(), "status": p.status, "error": p.error, "components": _names(p)}
            for p in index.plugins
        ],
        "components": [_component_json(c, index) for c in index.components()],
    }


def _component_json(component: Component, index: PluginIndex) -> dict[str, Any]:
    plugin = component.plugin
    return {
        "kind": component.kind,
        "name": component.name,
        "full_name": component.full_name,
        "use_full_name": index.shadowed(component),
        "summary": plugin.summary,
        "target": plugin.target,
        "options": plugin.options,
        "needs": sorted(plugin.needs),
        "provides": sorted(plugin.provides),
    }


def _names(plugin: PluginStatus) -> list[str]:
    return [f"{c.kind}.{c.name}" for c in plugin.components]


def _print_plugins(index: PluginIndex) -> None:
    """One line for each plugin, what is wrong with it below; unwrapped, so that paths can be copied."""
    for plugin in index.plugins:
        source = plugin.source
        colour = {"ok": "green", "broken": "red", "incompatible": "red"}.get(plugin.status, "yellow")
        line = Text.assemble((source.label(), "bold"), "  ", (plugin.status, colour), "  ", source.entry_point)
        origin = source.vcs or source.file or source.module
        line.append(f"  {origin}{' (editable)' if source.editable else ''}", style="dim")
        out.print(line, soft_wrap=True)
        if plugin.error:
            out.print(Text(f"    {plugin.error}"), soft_wrap=True)


def _print_components(index: PluginIndex) -> None:
    for kind in KINDS:
        table = Table(title=f"\n{kind.replace('_', ' ')}", title_justify="left", box=None, show_header=False)
        table.add_column(no_wrap=True, style="bold")
        table.add_column()
        for component in index.components(kind):
            name = component.full_name if index.shadowed(component) else component.name
            needs = sorted(component.plugin.needs)
            summary = Text(component.plugin.summary)
            if needs:
                summary.append(f" Needs {', '.join(needs)}.", style="dim")
            table.add_row(Text(name), summary)
        out.print(table)
