"""`e1bind init`: a commented spec to start from, or a whole example to run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from e1bind.errors import UserError
from e1bind.files.text import command
from e1bind.files.writing import output_text
from e1bind_cli.console import out

STARTER = Path("spec.toml")


def init(
    path: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Spec to write.", show_default=str(STARTER))
    ] = None,
    example: Annotated[
        Path | None,
        typer.Option(
            "--example",
            metavar="DIR",
            help="Write real chains with their clusters and a spec that trains on them into this folder instead.",
            show_default=False,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite what exists.")] = False,
) -> None:
    """Write a commented starter spec, or with --example data and a spec that trains as it is."""
    if example is not None:
        if path is not None:
            raise UserError(f"--example {example} writes a spec of its own: leave {path} out")
        _example(example, force)
        return
    path = path or STARTER
    if path.exists() and not force:
        raise UserError(f"{path} exists already; choose another name, or --force to overwrite it")
    from e1bind.spec.starter import starter_spec

    output_text(path, starter_spec(), "another PATH")
    out.print(f"wrote {path}; fill in [data.fasta3] and [training], then: {command('validate', path)}")


def _example(folder: Path, force: bool) -> None:
    from e1bind.scaffold.example import write_example

    spec, *data = write_example(folder, force)
    for file in (spec, *data):
        out.print(f"wrote {file}", soft_wrap=True)
    run = folder / "results" / "first"
    chains = next(file for file in data if file.name.startswith("CA"))
    commands = (
        ("validate", spec),
        ("train", spec, "--run-id", run.name),
        ("predict", run, chains, "-o", folder / "sites.csv"),
    )
    out.print("\ngo on with:")
    for words in commands:
        out.print(f"  {command(*words)}", soft_wrap=True)
