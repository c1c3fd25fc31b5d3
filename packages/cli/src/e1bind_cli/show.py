"""`e1bind show`: the spec as the run will see it, with every default."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from e1bind_cli.arguments import AsJson, Overrides, SpecFile
from e1bind_cli.console import echo, out
from e1bind_cli.toml_text import toml_of

if TYPE_CHECKING:
    from e1bind.spec import RunSpec


def show(
    spec: SpecFile,
    overrides: Overrides = None,
    origins: Annotated[bool, typer.Option("--origins", help="Say where each value was written.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print every value of a validated spec; with --origins the file, --set or default it comes from."""
    from e1bind.spec import load_spec

    run = load_spec(spec, overrides or [])
    rows = [(".".join(path), value, _origin(run, path)) for path, value in _leaves(run.resolved(), ())]
    if as_json:
        typer.echo(json.dumps([dict(zip(("path", "value", "origin"), row, strict=True)) for row in rows], indent=2))
        return
    if not origins:
        for path, value, _ in rows:
            echo(f"{path} = {toml_of(value)}")
        return
    table = Table()
    for column in ("path", "value", "origin"):
        table.add_column(column, overflow="fold", no_wrap=column == "path")
    for path, value, origin in rows:
        table.add_row(Text(path), Text(toml_of(value)), Text(origin))
    out.print(table)


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, key))
    else:
        yield path, value


def _origin(run: RunSpec, path: tuple[str, ...]) -> str:
    return run.raw.origins.get(path, "default")
