"""`e1bind data`: labelled chains before any training."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from e1bind_cli.arguments import AsJson, Overrides, SpecFile
from e1bind_cli.console import err, out, table

if TYPE_CHECKING:
    from e1bind.curation.statistics import Statistics

data = typer.Typer(
    name="data",
    help="Labelled chains before any training: look at them, make them, convert them.",
    no_args_is_help=True,
)

MOST_LETTERS = 9
"""Kinds of binding residues that are shown; the rest are few."""


class Split(StrEnum):
    """Which chains of a spec."""

    TRAIN = "train"
    TEST = "test"


SplitOption = Annotated[Split, typer.Option("--split", metavar="SPLIT", help="Which chains: train or test.")]
FigureFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Also draw lengths, binding residues by letter, and ions that go together: .png, .svg or .pdf.",
        show_default=False,
    ),
]


@data.command()
def stats(
    spec: SpecFile,
    split: SplitOption = Split.TRAIN,
    overrides: Overrides = None,
    as_json: AsJson = False,
    figure: FigureFile = None,
) -> None:
    """Count the chains that a spec names: lengths, binding residues by ion and letter, ions that go together."""
    from e1bind.curation.reading import read_chains
    from e1bind.curation.statistics import statistics
    from e1bind.spec import load_spec

    run = load_spec(spec, overrides or [])
    records = read_chains(run, split)
    found = statistics(records, run.training.ions)
    if figure is not None:
        from e1bind.report.data_figure import draw_data

        draw_data(records, found, figure)
        err.print(f"wrote {figure}", soft_wrap=True)
    if as_json:
        typer.echo(json.dumps(found.as_json(), indent=2))
        return
    _print(found)
    for warning in found.warnings:
        err.print(f"warning: {warning}", soft_wrap=True)


@data.command()
def check(spec: SpecFile, overrides: Overrides = None) -> None:
    """Read every file that a spec names for its chains, and tell all problems of all of them at once."""
    from e1bind.curation.reading import named_splits, read_chains
    from e1bind.errors import DataError
    from e1bind.spec import load_spec

    run = load_spec(spec, overrides or [])
    problems = []
    for split in named_splits(run):
        try:
            chains = read_chains(run, split)
        except DataError as error:
            problems.append(str(error))
        else:
            out.print(f"{split}: {len(chains)} chains of {', '.join(run.training.ions)} are as they should be")
    if problems:
        raise DataError("\n".join(problems))


def _print(found: Statistics) -> None:
    rows = table("ion", "chains", "residues", "known", "binding", "%", "a chain", "length")
    binders = table("ion", "binding residues, % by letter")
    for ion, of in found.ions.items():
        shortest, median, longest = of.lengths
        counts = map(str, (of.chains, of.residues, of.known, of.binding))
        shares = (f"{100 * of.share:.2f}", f"{of.binding / max(of.chains, 1):.2f}")
        rows.add_row(Text(ion), *counts, *shares, f"{shortest} / {median:.0f} / {longest}")
        common = [f"{letter} {100 * count / of.binding:.0f}" for letter, count in of.binders.items()]
        binders.add_row(Text(ion), "  ".join(common[:MOST_LETTERS]))
    out.print(rows)
    out.print(binders)
    if any(chains for chains, _ in found.together.values()):
        pairs = table("ions", "chains known for both", "residues that bind both")
        for (first, second), (chains, residues) in found.together.items():
            pairs.add_row(Text(f"{first} + {second}"), str(chains), str(residues))
        out.print(pairs)
    out.print(f"{found.chains} chains in all")
