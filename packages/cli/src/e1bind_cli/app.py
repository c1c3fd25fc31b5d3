"""The `e1bind` command: one file per subcommand, heavy imports only inside the subcommand that needs them."""

from __future__ import annotations

import sys
from contextlib import suppress
from functools import partial

import typer
from rich.text import Text

from e1bind.errors import LostProcess, UserError
from e1bind_cli import data_groups, data_msa  # noqa: F401 - their commands join the group `data`
from e1bind_cli.check_plugin import check_plugin
from e1bind_cli.compare import compare
from e1bind_cli.console import errors, state
from e1bind_cli.data_files import data
from e1bind_cli.describe import describe
from e1bind_cli.embed import embed
from e1bind_cli.evaluate import evaluate
from e1bind_cli.export import export
from e1bind_cli.init import init
from e1bind_cli.leaving import leave
from e1bind_cli.libraries import pass_over_imports
from e1bind_cli.list_plugins import list_plugins
from e1bind_cli.new_plugin import new_plugin
from e1bind_cli.predict import predict
from e1bind_cli.ranks import tell
from e1bind_cli.report import report
from e1bind_cli.runs import runs
from e1bind_cli.schema import schema
from e1bind_cli.show import show
from e1bind_cli.train import collect, train
from e1bind_cli.validate import validate
from e1bind_cli.whole_command import WholeCommand, whole_command

EXIT_USER, EXIT_OTHER = 2, 1

app = typer.Typer(
    name="e1bind",
    cls=WholeCommand,
    rich_markup_mode="rich",
    help="Find, residue by residue, where a protein binds metal ions.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    train,
    collect,
    evaluate,
    predict,
    embed,
    export,
    compare,
    report,
    runs,
    validate,
    list_plugins,
    describe,
    new_plugin,
    check_plugin,
    schema,
    show,
    init,
):
    app.command(command.__name__.replace("_", "-"))(command)


app.add_typer(data)
app.callback()(whole_command)


def main() -> None:
    """Run the command line; exit 0 done, 2 the user's mistake, 1 anything else, 130 interrupted."""
    pass_over_imports()
    leave(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Exit code of one invocation. Typer itself answers a wrong command line (2) and Ctrl-C (130)."""
    try:
        app(arguments)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else EXIT_OTHER
    except UserError as error:
        if isinstance(error, LostProcess):
            _say(str(error))
        else:
            tell(str(error), partial(_say, str(error)))
        return EXIT_USER
    except OSError as error:
        if error.errno is None:
            return _unexpected(error)
        _say(f"{_file_of(error)}{error.strerror or error}")
        return EXIT_USER
    except Exception as error:  # noqa: BLE001 - the last stop: told in full, exit code 1
        return _unexpected(error)
    return 0


def _unexpected(error: Exception) -> int:
    errors.print_exception()
    errors.print(
        Text.assemble(("unexpected error: ", "bold red"), f"{type(error).__name__}: {error}"), soft_wrap=True
    )
    return EXIT_OTHER


def _file_of(error: OSError) -> str:
    """The file an error of the disk is about, and how much room that leaves for doubt."""
    names = [str(name) for name in (error.filename, error.filename2) if name is not None]
    return f"{' -> '.join(names)}: " if names else "a file or a connection failed: "


def _say(message: str) -> None:
    """Print the error being handled; its traceback too with --debug."""
    if state.debug:
        errors.print_exception()
    with suppress(OSError):  # where standard error itself cannot be written there is nobody to tell
        errors.print(Text.assemble(("error: ", "bold red"), message), soft_wrap=True)
