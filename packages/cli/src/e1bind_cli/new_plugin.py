"""`e1bind new-plugin`: a plugin to start from, which installs, passes its tests and trains as it is."""

from __future__ import annotations

import enum
import shlex
from pathlib import Path
from typing import Annotated

import typer

from e1bind.files.text import command
from e1bind_cli.console import out


class Kind(enum.StrEnum):
    """Kinds of components, as a command line writes them."""

    LOSS = "loss"
    VIEW_GENERATOR = "view-generator"
    BACKBONE = "backbone"
    HEAD = "head"
    METRIC = "metric"
    READER = "reader"
    BASELINE = "baseline"
    CALIBRATION = "calibration"
    TRACKER = "tracker"


def new_plugin(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Name of the package, e.g. acme-losses.", show_default=False)
    ],
    kind: Annotated[
        list[Kind],
        typer.Option(
            "--kind",
            metavar="KIND",
            help=f"Kind of component it offers: {', '.join(Kind)}; repeatable.",
            show_default=False,
        ),
    ],
    component: Annotated[
        str | None, typer.Option("--component", help="Name of the component, where there is one.")
    ] = None,
    local: Annotated[
        bool, typer.Option("--local", help="A single file for a spec's plugins.local, no package.")
    ] = False,
    folder: Annotated[Path, typer.Option("--folder", help="Where to put it.")] = Path("."),
) -> None:
    """Write a plugin that works, for you to change its maths. Nothing that exists is overwritten."""
    from e1bind.scaffold.writing import Wanted, new_file, new_package

    wanted = Wanted(name, [one.value.replace("-", "_") for one in kind], component)
    files = new_file(wanted, folder) if local else new_package(wanted, folder)
    for file in files:
        out.print(f"wrote {file}", soft_wrap=True)
    if local:
        check, train = command("check-plugin", files[0]), command("train", files[1])
        out.print(f"\ntry it:\n  {check}\n  {train}", soft_wrap=True)
        return
    root = folder / name
    out.print(
        f"\ntry it:\n  {shlex.join(['pip', 'install', '-e', str(root)])}"
        "    (without a network: --no-build-isolation --no-deps)\n"
        f"  {command('check-plugin', name)}\n  {command('train', root / 'spec.toml')}",
        soft_wrap=True,
    )
