"""`e1bind report`: the page of a finished run, drawn anew."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from e1bind.plugins.uncollected import uncollected
from e1bind_cli.console import err, log_to_terminal
from e1bind_cli.inference_arguments import Run


class Format(StrEnum):
    """What figures can be written as beside PNG."""

    SVG = "svg"
    PDF = "pdf"


Formats = Annotated[
    list[Format] | None,
    typer.Option("--format", help="Write the figures in this format too; repeatable.", show_default="PNG alone"),
]
Folds = Annotated[bool, typer.Option("--folds", help="Draw the figures of each fold alone as well.")]


def report(run: Run, formats: Formats = None, folds: Folds = False) -> None:
    """Draw the figures and report.html of a finished run again."""
    with uncollected():
        from e1bind import workflow

    log_to_terminal()
    err.print(f"wrote {workflow.report(run, [format.value for format in formats or ()], folds)}", soft_wrap=True)
