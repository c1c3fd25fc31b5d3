"""`e1bind data cluster`, `split`, `overlap`: which chains are related, and what must not be parted."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from e1bind.errors import DataError, UserError
from e1bind_cli.arguments import AsJson, Overrides, SpecFile
from e1bind_cli.console import err, interruptible, out, table
from e1bind_cli.data import data

if TYPE_CHECKING:
    from e1bind.curation.homologs import Criteria, Homologs, Method
    from e1bind.curation.overlap import Overlap
    from e1bind.curation.splitting import Split

EXIT_OVERLAP = 3
"""The two sets of chains share ids, sequences or homologs."""
SHOWN = 5
_NOTHING = "nothing was written"

Inputs = Annotated[
    list[Path],
    typer.Argument(
        metavar="INPUT...", help="Specs (.toml), FASTA files, or paths with {ion} in them.", show_default=False
    ),
]
Identity = Annotated[float, typer.Option(help="Share of identical residues from which on chains are related.")]
Coverage = Annotated[float, typer.Option(help="Share of either chain that the alignment must cover.")]
MethodName = Annotated[
    str,
    typer.Option("--method", help="mmseqs2, words (needs no program), or auto: mmseqs2 where it is on the PATH."),
]
Threads = Annotated[int, typer.Option(min=1, help="CPU threads of MMseqs2.")]


@data.command()
def cluster(
    inputs: Inputs,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Table of clusters to write.")],
    identity: Identity = 0.3,
    coverage: Coverage = 0.8,
    method: MethodName = "auto",
    threads: Threads = 1,
    overrides: Overrides = None,
) -> None:
    """Cluster chains so that no two homologs are in different clusters; writes a table for cv.groups."""
    from e1bind.curation.clustering import cluster as work
    from e1bind.curation.inputs import joined, read_input
    from e1bind.files.writing import check_output, output_text, together
    from e1bind.spec.named_files import SPLITS

    check_output(output)
    chains = [chain for source in inputs for chain in read_input(source, SPLITS, overrides or [])]
    with interruptible(_NOTHING):
        found = work(joined(chains, inputs[-1]), *_how(identity, coverage, method), threads)
    manifest = output.with_name(f"{output.name}.json")
    with together():
        output_text(output, found.table())
        output_text(manifest, json.dumps(found.as_json(), indent=2) + "\n")
    _say_how(found.homologs)
    out.print(
        f"{len(found.cluster_of)} chains ({found.sequences} sequences) in {len(found.sizes)} clusters, the largest "
        f"of {max(found.sizes)}; {len(found.homologs.pairs)} pairs of homologs, none of which is parted",
        soft_wrap=True,
    )
    out.print(f"wrote {output} and {manifest}", soft_wrap=True)


@data.command()
def split(
    spec: SpecFile,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the files of both parts.")
    ],
    test_share: Annotated[float, typer.Option(help="Share of every ion that becomes test data, 0 to 1.")] = 0.2,
    seed: Annotated[int | None, typer.Option(help="Of the search.", show_default="run.seed")] = None,
    identity: Identity = 0.3,
    coverage: Coverage = 0.8,
    method: MethodName = "auto",
    threads: Threads = 1,
    overrides: Overrides = None,
) -> None:
    """Divide the training chains of a spec into training and test data that share no cluster, ion by ion."""
    from e1bind.curation.clustering import cluster as find_clusters
    from e1bind.curation.inputs import Chain
    from e1bind.curation.reading import read_chains
    from e1bind.curation.splitting import split as work
    from e1bind.data.clusters import read_clusters
    from e1bind.files.writing import output_folder, output_text, together
    from e1bind.spec import load_spec

    run = load_spec(spec, overrides or [])
    records = read_chains(run, "train")
    how: dict[str, Any] = {"spec": str(spec), "test_share": test_share}
    how["seed"] = run.run.seed if seed is None else seed
    files: dict[str, str] = {}
    with interruptible(_NOTHING):
        if run.cv.groups is not None:
            groups: Mapping[str, str] = read_clusters(run.cv.groups, [record.id for record in records])
            how["groups"] = str(run.cv.groups)
        else:
            chains = [Chain(record.id, record.sequence, tuple(record.labels)) for record in records]
            clusters = find_clusters(chains, *_how(identity, coverage, method), threads)
            groups, files["clusters.tsv"], how["clusters"] = (
                clusters.cluster_of,
                clusters.table(),
                clusters.as_json(),
            )
            _say_how(clusters.homologs)
        found = work(records, run.training.ions, groups, test_share, how["seed"])
    files |= dict(found.files(run.training.ions))
    files["split.json"] = json.dumps({**how, **found.as_json()}, indent=2) + "\n"
    output_folder(output)
    with together():
        for name, text in files.items():
            output_text(output / name, text)
    _print_split(found)
    out.print(f"wrote {len(files)} files to {output}", soft_wrap=True)


@data.command()
def overlap(
    first: Annotated[
        Path,
        typer.Argument(
            metavar="A", help="Spec, FASTA file, or path with {ion}: e.g. test chains.", show_default=False
        ),
    ],
    second: Annotated[
        Path | None,
        typer.Argument(
            metavar="B",
            help="The same: e.g. training chains; without it, A is a spec whose test is held against its train.",
            show_default=False,
        ),
    ] = None,
    identity: Identity = 0.3,
    coverage: Coverage = 0.8,
    method: MethodName = "auto",
    threads: Threads = 1,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Count chains of A with the id, sequence or a homolog of a chain of B, ion by ion; exit code 3 if any has."""
    from e1bind.curation.inputs import read_input
    from e1bind.curation.overlap import overlap as work

    if second is None and first.suffix.lower() != ".toml":
        raise UserError(
            f"{first} alone: name a second file, or a spec whose test chains are held against its training"
        )
    ours = read_input(first, ["train"] if second is not None else ["test"], overrides or [])
    theirs = read_input(second or first, ["train"], overrides or [])
    if not ours or not theirs:
        raise DataError(f"{first if not ours else second or first} has no chains")
    with interruptible("nothing was counted"):
        found = work(ours, theirs, *_how(identity, coverage, method), threads)
    if as_json:
        typer.echo(json.dumps(found.as_json(), indent=2))
    else:
        _say_how(found.search)
        _print_overlap(found, len(ours))
    if found.any:
        raise typer.Exit(EXIT_OVERLAP)


def _how(identity: float, coverage: float, method: str) -> tuple[Criteria, Method]:
    from e1bind.curation.homologs import Criteria, Method

    if method not in list(Method):
        raise UserError(f"--method {method}: there is no such method; use {', '.join(Method)}")
    return Criteria(identity, coverage), Method(method)


def _say_how(homologs: Homologs) -> None:
    """How homologs were found, on standard error."""
    criteria, of = homologs.criteria, homologs.program
    found = of if homologs.commands else f"words of residues, which miss some ({of}; MMseqs2 finds more)"
    err.print(
        f"homologs: identity from {criteria.identity:g}, aligned over {criteria.coverage:g} of either chain, "
        f"by {found}",
        soft_wrap=True,
    )
    for command in homologs.commands:
        err.print("  " + shlex.join(command), soft_wrap=True)


def _print_split(found: Split) -> None:
    rows = table("ion", "part", "chains", "residues", "binding", "% of the ion's")
    totals = {count.ion: 0 for count in found.counts}
    for count in found.counts:
        totals[count.ion] += count.positives
    for count in sorted(found.counts, key=lambda count: list(totals).index(count.ion)):
        share = f"{100 * count.positives / totals[count.ion]:.1f}"
        rows.add_row(
            Text(count.ion), count.part, str(count.chains), str(count.residues), str(count.positives), share
        )
    out.print(rows)
    chains = ", ".join(f"{len(records)} for {part}" for part, records in found.parts.items())
    out.print(f"{found.groups} groups of related chains, none of which is parted; chains: {chains}")


def _print_overlap(found: Overlap, chains: int) -> None:
    rows = table("A", "B", "chains of A", "same id", "same sequence", "a homolog in B")
    for row in found.rows:
        counts = (row.chains, row.ids, row.sequences, row.homologs)
        rows.add_row(Text(row.first_ion), Text(row.second_ion), *map(str, counts))
    out.print(rows)
    for what, ids in (("the id", found.ids), ("the sequence", found.sequences), ("a homolog", found.homologs)):
        shown = f" ({', '.join(ids[:SHOWN])}{', ...' if len(ids) > SHOWN else ''})" if ids else ""
        out.print(f"{len(ids)} of {chains} chains of A share {what} of a chain of B{shown}", soft_wrap=True)
