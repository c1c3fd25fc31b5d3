"""`e1bind list-plugins`: what is installed, from where, and what is wrong with it. Paths are never wrapped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.padding import Padding
from rich.text import Text

from e1bind.errors import UserError
from e1bind.plugins import KINDS, Component, PluginIndex, PluginPolicy, PluginStatus, discover
from e1bind.plugins.foreign import shown_place
from e1bind_cli.arguments import AsJson
from e1bind_cli.console import out
from e1bind_cli.kinds import kind_of

_COLOURS = {"ok": "green", "broken": "red", "incompatible": "red"}


def list_plugins(
    as_json: AsJson = False,
    kind: Annotated[
        str | None, typer.Option("--kind", help=f"Components of this kind alone: {', '.join(KINDS)}.")
    ] = None,
    spec: Annotated[Path | None, typer.Option("--spec", help="Also apply this spec's table of plugins.")] = None,
) -> None:
    """List components by kind, where they come from, and plugins that are broken, with the reason."""
    kinds = KINDS if kind is None else (_known(kind),)
    index = discover(_policy(spec) if spec else None)
    if as_json:
        typer.echo(json.dumps(_as_json(index, kinds), indent=2))
        return
    for one in kinds:
        _print_kind(index, one)
    if kind is None:
        _print_plugins(index)


def _policy(spec: Path) -> PluginPolicy:
    from e1bind.spec.loading import load_raw
    from e1bind.spec.validation import plugin_policy

    return plugin_policy(load_raw(spec))


def _known(kind: str) -> str:
    known = kind_of(kind)
    if known is None:
        raise UserError(f"--kind {kind}: there is no such kind; there are {', '.join(KINDS)}")
    return known


def _as_json(index: PluginIndex, kinds: tuple[str, ...]) -> dict[str, Any]:
    return {
        "plugins": [
            {
                **plugin.source.as_dict(),
                "status": plugin.status,
                "error": plugin.error,
                "warning": plugin.warning,
                "failed_at": plugin.failed_at and {"file": plugin.failed_at[0], "line": plugin.failed_at[1]},
                "components": [f"{c.kind}.{c.name}" for c in plugin.components],
            }
            for plugin in index.plugins
        ],
        "components": [_component_json(c, index) for c in index.components() if c.kind in kinds],
    }


def _component_json(component: Component, index: PluginIndex) -> dict[str, Any]:
    plugin = component.plugin
    return {
        "kind": component.kind,
        "name": component.name,
        "full_name": component.full_name,
        "use_full_name": index.shadowed(component),
        "distribution": component.source.distribution,
        "version": component.source.version,
        "summary": plugin.summary,
        "target": plugin.target,
        "options": plugin.options,
        "needs": sorted(plugin.needs),
        "provides": sorted(plugin.provides),
    }


def _print_kind(index: PluginIndex, kind: str) -> None:
    """The components of a kind: name and source on a line, what it is below."""
    components = index.components(kind)
    out.print(Text(f"{kind.replace('_', ' ')} ({len(components)})", style="bold underline"))
    for component in components:
        name = component.full_name if index.shadowed(component) else component.name
        out.print(Text.assemble("  ", (name, "bold"), "  ", (component.source.label(), "dim")), soft_wrap=True)
        summary = Text(component.plugin.summary)
        if needs := sorted(component.plugin.needs):
            summary.append(f" Needs {', '.join(needs)}.", style="dim")
        out.print(Padding(summary, (0, 0, 0, 6), expand=False))
    out.print()


def _print_plugins(index: PluginIndex) -> None:
    """One line for each plugin, where it is and what is wrong with it below; paths unwrapped, to be copied."""
    out.print(Text(f"plugins ({len(index.plugins)})", style="bold underline"))
    for plugin in index.plugins:
        source = plugin.source
        status = (plugin.status, _COLOURS.get(plugin.status, "yellow"))
        line = Text.assemble("  ", (source.label(), "bold"), "  ", status)
        line.append(f"  {source.entry_point}{' (editable)' if source.editable else ''}", style="dim")
        out.print(line, soft_wrap=True)
        for origin in filter(None, (source.vcs, source.file or source.module)):
            out.print(Text(f"      {origin}", style="dim"), soft_wrap=True)
        if plugin.error:
            _print_fault(plugin)
        if plugin.warning:
            out.print(Padding(Text(plugin.warning, style="yellow"), (0, 0, 0, 6), expand=False))


def _print_fault(plugin: PluginStatus) -> None:
    error, place = plugin.error or "", plugin.failed_at
    if place:
        error = error.replace(f" {shown_place(place)}", "")
    out.print(Padding(Text(error), (0, 0, 0, 6), expand=False))
    if place:
        out.print(Text(f"      {place[0]}, line {place[1]}"), soft_wrap=True)
    if plugin.status in ("broken", "incompatible"):
        advice = f'to leave it out: [plugins] block = ["{plugin.source.distribution}"]'
        out.print(Text(f"      {advice}"), soft_wrap=True)
