"""`e1bind init`: a commented spec to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from e1bind.errors import UserError
from e1bind.files.text import command
from e1bind.files.writing import output_text
from e1bind_cli.console import out


def init(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="File to write.")] = Path("spec.toml"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Write a commented starter spec."""
    if path.exists() and not force:
        raise UserError(f"{path} exists already; choose another name, or --force to overwrite it")
    from e1bind.spec.starter import starter_spec

    output_text(path, starter_spec(), "another PATH")
    out.print(f"wrote {path}; fill in [data.fasta3] and [training], then: {command('validate', path)}")
