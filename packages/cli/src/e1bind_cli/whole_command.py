"""Options of `e1bind` itself, which hold for every subcommand and may stand before or after it."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.markup import escape
from typer.core import TyperGroup

from e1bind import __version__
from e1bind.errors import UserError
from e1bind_cli.console import err, log_to_terminal, state
from e1bind_cli.libraries import hush_libraries, share_cores

ANYWHERE = ("--debug", "--quiet", "--verbose")
_REST = "--"
"""Behind it nothing is an option."""


class WholeCommand(TyperGroup):
    """The group of all subcommands: its own flags are found wherever on the line they stand.

    Help texts are shown as they are written: `[lora]` is a table of a spec, not Rich's markup.
    """

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for command in self.commands.values():
            _escape_help(command)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The arguments with those flags at the front, where click looks for them."""
        end = args.index(_REST) if _REST in args else len(args)
        own = [word for word in args[:end] if word in ANYWHERE]
        others = [word for word in args[:end] if word not in ANYWHERE]
        return super().parse_args(ctx, [*own, *others, *args[end:]])


def _escape_help(command: Any) -> None:
    command.help = escape(command.help or "")
    for parameter in command.params:
        parameter.help = escape(getattr(parameter, "help", None) or "")
    for inner in getattr(command, "commands", {}).values():
        _escape_help(inner)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"e1bind {__version__}")
        raise typer.Exit


def whole_command(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Say nothing but errors, and what a command came to.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Log every step, and what libraries have to say.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Take down how much is to be said."""
    if quiet and verbose:
        raise UserError("--quiet and --verbose: choose one of the two")
    state.debug, state.quiet, state.verbose = debug, quiet, verbose
    err.quiet = quiet
    hush_libraries()
    share_cores()
    if quiet or verbose:
        log_to_terminal()
