"""`e1bind data msa`: an alignment for each chain, with MMseqs2."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Annotated

import typer

from e1bind_cli.arguments import Overrides
from e1bind_cli.console import bars_wanted, err, interruptible, out
from e1bind_cli.data import data


@data.command()
def msa(
    source: Annotated[
        Path,
        typer.Argument(metavar="INPUT", help="Spec, FASTA file, or path with {ion} in it.", show_default=False),
    ],
    database: Annotated[
        Path,
        typer.Option(
            "--db",
            metavar="DATABASE",
            help="What to search: a database of MMseqs2, FASTA, or a path with {ion} in it.",
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for {id}.a3m and msa.json.")
    ],
    iterations: Annotated[
        int, typer.Option(min=1, help="Rounds of the search, with profiles after the first.")
    ] = 3,
    sensitivity: Annotated[float, typer.Option(min=1, max=7.5, help="Of MMseqs2, 1 to 7.5; more is slower.")] = 5.7,
    evalue: Annotated[float, typer.Option(min=0, help="Largest E-value of a homolog.")] = 1e-3,
    max_sequences: Annotated[int, typer.Option(min=1, help="Most sequences of an alignment.")] = 1000,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads of MMseqs2.")] = 1,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Build anew what other settings have built.")] = False,
    overrides: Overrides = None,
) -> None:
    """Build an alignment (a3m) for each chain with MMseqs2; those that are done are kept."""
    from e1bind.curation.inputs import read_input
    from e1bind.curation.msa_building import MsaParameters, build_alignments
    from e1bind.spec.named_files import SPLITS

    chains = read_input(source, SPLITS, overrides or [])
    parameters = MsaParameters(iterations, sensitivity, evalue, max_sequences)
    with interruptible("finished alignments stay, and the same command goes on from there"), _said() as advance:
        done = build_alignments(chains, database, output, parameters, threads, rebuild, advance)
    alone = sum(depth == 1 for depth in done.depths)
    out.print(f"{done.built} alignments built, {done.kept} were there, in {output}", soft_wrap=True)
    out.print(
        f"sequences of an alignment, with the chain: median {median(done.depths):.0f}, most {max(done.depths)}; "
        f"{alone} chains have no homolog there",
        soft_wrap=True,
    )


@contextmanager
def _said() -> Iterator[Callable[[int, int], None]]:
    """A bar where somebody can see it, else a line after each batch; on standard error."""
    if not bars_wanted():
        yield lambda done, total: err.print(f"{done} of {total} chains")
        return
    from e1bind_cli.bars import bars

    with bars(err) as drawn:
        task = drawn.add_task("chains", total=None, tail="")
        yield lambda done, total: drawn.update(task, completed=done, total=total)
