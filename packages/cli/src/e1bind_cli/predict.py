"""`e1bind predict`: probabilities of binding for every residue of new chains."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from e1bind.plugins.uncollected import uncollected
from e1bind_cli.console import err, errors, interruptible, log_to_terminal
from e1bind_cli.inference_arguments import (
    Checkpoint,
    Device,
    Ions,
    MaxTokens,
    MsaDir,
    RareToX,
    Run,
    Strict,
    Threads,
    Thresholds,
    TrustRunCode,
    chains_bar,
    chosen_thresholds,
    set_threads,
)

if TYPE_CHECKING:
    from e1bind.inference.predict import Outcome

EXIT_PIPE = 141
EXIT_INCOMPLETE = 3
"""Done, but records were left out."""

Input = Annotated[
    Path | None,
    typer.Argument(metavar="INPUT", help="FASTA, plain or gzip; - is standard input.", show_default=False),
]
Output = Annotated[
    Path, typer.Option("--output", "-o", metavar="FILE", help="Table to write; - is standard output.")
]
Format = Annotated[
    str | None,
    typer.Option("--format", help="csv, tsv, parquet or json.", show_default="the ending of FILE, or csv"),
]
StructureFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Also write a copy of this .cif or .pdb with probabilities as B factors, and scripts that colour it. "
        "Without INPUT its chains are predicted.",
        show_default=False,
    ),
]
Contexts = Annotated[
    int,
    typer.Option(
        min=1,
        max=64,
        metavar="K",
        help="Mean over K drawn contexts of each aligned chain; K times the work.",
    ),
]


def predict(
    run: Run,
    source: Input = None,
    output: Output = Path("-"),
    table_format: Format = None,
    ions: Ions = None,
    msa_dir: MsaDir = None,
    structure: StructureFile = None,
    strict: Strict = False,
    rare_to_x: RareToX = False,
    device: Device = "auto",
    threads: Threads = None,
    max_tokens: MaxTokens = None,
    contexts: Contexts = 1,
    checkpoint: Checkpoint = None,
    thresholds: Thresholds = None,
    trust_run_code: TrustRunCode = False,
) -> None:
    """Score every residue of new chains with all folds of a run; exit code 3 if records were left out."""
    with uncollected():
        from e1bind.data.fasta import count_records
        from e1bind.inference.predict import PredictOptions
        from e1bind.inference.predict import predict as work

    log_to_terminal()
    set_threads(threads)
    options = PredictOptions(
        source=source,
        target=output,
        format=table_format,
        ions=tuple(ions or ()),
        msa_dir=msa_dir,
        structure=structure,
        strict=strict,
        rare_to_x=rare_to_x,
        device=device,
        max_tokens=max_tokens,
        contexts=contexts,
        checkpoint=checkpoint,
        thresholds=chosen_thresholds(thresholds),
        trust_run_code=trust_run_code,
    )
    total = count_records(source) if source is not None and err.is_terminal else None
    try:
        with interruptible("no table was written"), chains_bar(total) as advance:
            outcome = work(run, options, advance)
    except BrokenPipeError:
        # Whoever read the table has read enough; what Python still holds for it must not go into the closed pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(EXIT_PIPE) from None
    _say(outcome)
    if outcome.bad:
        raise typer.Exit(EXIT_INCOMPLETE)


def _say(outcome: Outcome) -> None:
    """What was done, on standard error: standard output may be the table."""
    for remark in outcome.remarks:
        err.print(remark, soft_wrap=True)
    calls = ", ".join(f"{count:,} called for {ion}" for ion, count in outcome.calls.items())
    err.print(f"{outcome.chains:,} chains, {outcome.residues:,} residues; {calls}", soft_wrap=True)
    for file in outcome.files:
        err.print(f"wrote {file}", soft_wrap=True)
    if outcome.bad:
        errors.print(f"{outcome.bad:,} records were left out, see above", style="bold red")
