"""Every command with its arguments and options, as Typer itself documents an application."""

from __future__ import annotations

import html
import re

import typer.main
from typer.cli import get_docs_for_click

from e1bind_cli.app import app


def commands() -> str:
    """The page: what `e1bind COMMAND --help` says of each command."""
    command = typer.main.get_command(app)
    context = command.make_context("e1bind", [], resilient_parsing=True)
    text = html.unescape(get_docs_for_click(obj=command, ctx=context, name="e1bind"))
    text = text.replace("# `e1bind`\n", "# Commands\n", 1).replace("```console\n$ ", "```text\n")
    text = text.replace(r"\[", "[")  # which Rich alone reads
    # Typer writes the summary of a command a second time, cut short, into the list at the top.
    head, rest = text.split("**Commands**:", 1)
    listed, rest = rest.split("\n## ", 1)
    names = re.findall(r"^\* `([^`]+)`", listed, re.M)
    links = " · ".join(f"[`{name}`](#e1bind-{name})" for name in names)
    exits = "Exit codes: 0 done, 2 the user's mistake, 1 anything else, 130 interrupted."
    return f"{head}**Commands**: {links}\n\n{exits}\n\n## {rest}"
