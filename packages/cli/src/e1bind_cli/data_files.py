"""`e1bind data from-structures` and `convert`: labelled chains written as files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from e1bind_cli.arguments import Overrides, SpecFile
from e1bind_cli.console import out
from e1bind_cli.data import Split, SplitOption, data

if TYPE_CHECKING:
    from e1bind.curation.writing import Written
    from e1bind.readers.options import StructuresOptions


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


Fasta = Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="FASTA to write.")]
Ion = Annotated[str, typer.Option("--ion", help="Ion, group of ions, or code of a ligand, such as ZN.")]
RuleOption = Annotated[
    Rule, typer.Option("--rule", help="Binding is near a donor atom, near any heavy atom, or as BioLiP has it.")
]
Cutoff = Annotated[
    float | None,
    typer.Option("--cutoff", help="In A; BioLiP's is added to the radii.", show_default="3.0, biolip 0.5", max=10),
]
ModelsOption = Annotated[Models, typer.Option("--models", help="The first model, or any of them.")]
MissingOption = Annotated[
    Missing, typer.Option("--missing", help="Residues without coordinates: left out, or filled in as unknown.")
]
Symmetry = Annotated[bool, typer.Option("--symmetry", help="Symmetric copies of chains bind as well.")]
NamesOption = Annotated[
    ChainNames, typer.Option("--chain-names", help="Chains by the author's names, or by mmCIF's labels.")
]
LettersOption = Annotated[
    Letters, typer.Option("--unknown-residues", help="Residues without a letter: read as X, or refused.")
]


@data.command("from-structures")
def from_structures(
    folder: Folder,
    output: Fasta,
    ion: Ion,
    rule: RuleOption = Rule.DONOR,
    cutoff: Cutoff = None,
    models: ModelsOption = Models.FIRST,
    missing: MissingOption = Missing.SKIP,
    symmetry: Symmetry = False,
    chain_names: NamesOption = ChainNames.AUTHOR,
    unknown_residues: LettersOption = Letters.TO_X,
) -> None:
    """Label the chains of structures by their distance to an ion, and write them with where they come from."""
    from e1bind.curation.writing import FASTA, Cells, write_chains
    from e1bind.errors import UserError
    from e1bind.readers.structures import StructuresReader

    if not output.name.lower().removesuffix(".gz").endswith(FASTA):
        raise UserError(f"{output}: from-structures writes FASTA; let the name end in {', '.join(FASTA)}")
    choices = {"rule": rule, "models": models, "missing": missing}
    choices |= {"chain_names": chain_names, "unknown_residues": unknown_residues}
    options = _options(folder, cutoff, symmetry, choices)
    records = StructuresReader(options).read(ion, "train")
    (written,) = write_chains(output, {ion: records}, Cells())
    files = len({record.source for record in records})
    binding = sum(record.positives(ion) for record in records)
    out.print(
        f"{written.path}: {written.chains} chains with {binding} residues that bind {ion}, of {files} files "
        f"({options.in_words()})",
        soft_wrap=True,
    )


def _options(folder: Path, cutoff: float | None, symmetry: bool, choices: Mapping[str, str]) -> StructuresOptions:
    """The reader's options. Raises `UserError` with what is wrong with them."""
    from e1bind.errors import UserError
    from e1bind.readers.options import StructuresOptions
    from e1bind.spec.problems import validate_options

    table = {"train": str(folder.absolute()), "symmetry": symmetry, "cutoff": cutoff}
    table |= {name: str(choice) for name, choice in choices.items()}
    options, problems = validate_options(StructuresOptions, table, "options", {})
    if not isinstance(options, StructuresOptions):
        raise UserError("\n".join(f"{problem.path}: {problem.message}" for problem in problems))
    return options


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

    train = json.dumps(str(output) if "{ion}" in str(output) else str(written[0].path))  # which TOML reads as well
    if output.name.lower().removesuffix(".gz").endswith(FASTA):
        return f"[data.fasta3]\ntrain = {train}"
    cells = f'\nvalues = "positions"\nfirst = {first}' if values == Values.POSITIONS else ""
    return f"[data.table]\ntrain = {train}{cells}"
