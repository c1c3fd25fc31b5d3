"""`e1bind schema`: JSON Schema of the spec, for editors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from e1bind.files.writing import output_text
from e1bind_cli.console import err


def schema(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write to this file.", show_default=False)
    ] = None,
) -> None:
    """Print the JSON Schema of a spec, built from the installed plugins."""
    from e1bind.plugins import discover
    from e1bind.spec.schema import build_schema

    built, left_out = build_schema(discover())
    for sentence in left_out:
        err.print(f"warning: left out: {sentence}", soft_wrap=True)
    text = json.dumps(built, indent=2)
    if output is None:
        typer.echo(text)
        return
    output_text(output, text + "\n")
