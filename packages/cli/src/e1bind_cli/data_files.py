"""`e1bind data from-structures` and `convert`: labelled chains written as files."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from e1bind_cli.arguments import Overrides, SpecFile
from e1bind_cli.console import out
from e1bind_cli.data import Split, SplitOption, data

if TYPE_CHECKING:
    from e1bind.curation.writing import Written


class Rule(StrEnum):
    """When a residue binds."""

    DONOR = "donor"
    HEAVY = "heavy"
    BIOLIP = "biolip"


class Values(StrEnum):
    """What the cells of a table hold."""

    LABELS = "labels"
    POSITIONS = "positions"


class Models(StrEnum):
    """Models of an ensemble."""

    FIRST = "first"
    ALL = "all"


class Missing(StrEnum):
    """What becomes of residues without coordinates."""

    SKIP = "skip"
    FILL = "fill"


class ChainNames(StrEnum):
    """Whose names of chains."""

    AUTHOR = "author"
    LABEL = "label"


class Letters(StrEnum):
    """What becomes of residues without a letter."""

    TO_X = "to-x"
    ERROR = "error"


Folder = Annotated[
    Path, typer.Argument(metavar="DIR", help="Folder of PDB and mmCIF files, or one file.", show_default=False)
]


@data.command("from-structures")
def from_structures(
    folder: Folder,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="FASTA to write.")],
    ion: Annotated[str, typer.Option("--ion", help="Ion, group of ions, or code of a ligand, such as ZN.")],
    rule: Annotated[
        Rule, typer.Option(help="Binding is near a donor atom, near any heavy atom, or as BioLiP has it.")
    ] = Rule.DONOR,
    cutoff: Annotated[
        float | None,
        typer.Option(help="In A; BioLiP's is added to the radii.", show_default="3.0, biolip 0.5", max=10),
    ] = None,
    models: Annotated[Models, typer.Option(help="The first model, or any of them.")] = Models.FIRST,
    missing: Annotated[
        Missing, typer.Option(help="Residues without coordinates: left out, or filled in as unknown.")
    ] = Missing.SKIP,
    symmetry: Annotated[bool, typer.Option("--symmetry", help="Symmetric copies of chains bind as well.")] = False,
    chain_names: Annotated[
        ChainNames, typer.Option(help="Chains by the author's names, or by mmCIF's labels.")
    ] = ChainNames.AUTHOR,
    unknown_residues: Annotated[
        Letters, typer.Option(help="Residues without a letter: read as X, or refused.")
    ] = Letters.TO_X,
) -> None:
    """Label the chains of structures by their distance to an ion, and write them with where they come from."""
    from e1bind.curation.writing import FASTA, Cells, write_chains
    from e1bind.errors import UserError
    from e1bind.readers.options import StructuresOptions
    from e1bind.readers.structures import StructuresReader
    from e1bind.spec.problems import validate_options

    if not output.name.lower().removesuffix(".gz").endswith(FASTA):
        raise UserError(f"{output}: from-structures writes FASTA; let the name end in {', '.join(FASTA)}")
    chosen = {
        "train": str(folder.absolute()),
        "rule": rule.value,
        "models": models.value,
        "missing": missing.value,
        "symmetry": symmetry,
        "chain_names": chain_names.value,
        "unknown_residues": unknown_residues.value,
        **({} if cutoff is None else {"cutoff": cutoff}),
    }
    options, problems = validate_options(StructuresOptions, chosen, "options", {})
    if not isinstance(options, StructuresOptions):
        raise UserError("\n".join(f"{problem.path}: {problem.message}" for problem in problems))
    records = StructuresReader(options).read(ion, "train")
    (written,) = write_chains(output, {ion: records}, Cells())
    files = len({record.source for record in records})
    binding = sum(record.positives(ion) for record in records)
    out.print(
        f"{written.path}: {written.chains} chains of {files} structures with {binding} residues that bind {ion} "
        f"({options.in_words()})",
        soft_wrap=True,
    )


@data.command()
def convert(
    spec: SpecFile,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="What to write: .fasta, .csv, .tsv (also .gz) or .parquet; {ion} makes a file for each ion.",
        ),
    ],
    split: SplitOption = Split.TRAIN,
    values: Annotated[Values, typer.Option(help="Cells of a table: labels or positions.")] = Values.LABELS,
    first: Annotated[
        int, typer.Option(min=0, max=1, help="Number of a sequence's first residue in positions.")
    ] = 1,
    overrides: Overrides = None,
) -> None:
    """Write the chains that a spec names in another format: three lines a chain, or a table."""
    from e1bind.curation.reading import read_by_ion
    from e1bind.curation.writing import Cells, write_chains
    from e1bind.spec import load_spec

    run = load_spec(spec, overrides or [])
    written = write_chains(output, read_by_ion(run, split), Cells(values.value, first))
    for file in written:
        out.print(f"{file.path}: {file.chains} chains of {', '.join(file.ions)}", soft_wrap=True)
    out.print(_table_of(output, written, values, first), soft_wrap=True)


def _table_of(output: Path, written: list[Written], values: Values, first: int) -> str:
    """The table of a spec that reads what was written."""
    from e1bind.curation.writing import FASTA

    train = str(output) if "{ion}" in str(output) else str(written[0].path)
    if output.name.lower().removesuffix(".gz").endswith(FASTA):
        return f'[data.fasta3]\ntrain = "{train}"'
    cells = f'\nvalues = "positions"\nfirst = {first}' if values == Values.POSITIONS else ""
    return f'[data.table]\ntrain = "{train}"{cells}'
