"""`e1bind embed`: residue embeddings of new chains."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from e1bind.plugins.uncollected import uncollected
from e1bind_cli.arguments import Overrides
from e1bind_cli.console import err, interruptible, log_to_terminal
from e1bind_cli.inference_arguments import (
    Checkpoint,
    Device,
    MaxTokens,
    MsaDir,
    RareToX,
    Strict,
    Threads,
    TrustRunCode,
    chains_bar,
    set_threads,
)
from e1bind_cli.predict import EXIT_INCOMPLETE


def embed(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="RUN_OR_SPEC",
            help="Run directory: one fold's adapted backbone; or spec: its backbone as it is.",
            show_default=False,
        ),
    ],
    source: Annotated[
        Path, typer.Argument(metavar="INPUT", help="FASTA file, plain or gzip; read twice.", show_default=False)
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FILE", help="Safetensors file to write.", show_default=False),
    ],
    fold: Annotated[int | None, typer.Option(min=1, metavar="N", help="Fold of the run.", show_default="1")] = None,
    projected: Annotated[
        bool, typer.Option("--projected", help="After the run's projector, not before it.")
    ] = False,
    msa_dir: MsaDir = None,
    strict: Strict = False,
    rare_to_x: RareToX = False,
    device: Device = "auto",
    threads: Threads = None,
    max_tokens: MaxTokens = None,
    checkpoint: Checkpoint = None,
    overrides: Overrides = None,
    trust_run_code: TrustRunCode = False,
) -> None:
    """Write the embeddings of every residue of new chains; exit code 3 if records were left out."""
    with uncollected():
        from e1bind.data.fasta import count_records
        from e1bind.inference.embed import EmbedOptions
        from e1bind.inference.embed import embed as work

    log_to_terminal()
    set_threads(threads)
    options = EmbedOptions(
        source=source,
        target=output,
        fold=fold,
        projected=projected,
        msa_dir=msa_dir,
        strict=strict,
        rare_to_x=rare_to_x,
        device=device,
        max_tokens=max_tokens,
        checkpoint=checkpoint,
        overrides=tuple(overrides or ()),
        trust_run_code=trust_run_code,
    )
    total = count_records(source) if err.is_terminal else None
    with interruptible("no embeddings were written"), chains_bar(total) as advance:
        done = work(model, options, advance)
    whose = "".join(f"{done.about[key]}, " for key in ("layer", "backbone"))
    of = f"fold {done.about['fold']} of {done.about['run']}, " if "run" in done.about else ""
    err.print(f"{of}{whose}{done.width} wide", soft_wrap=True)
    err.print(f"{done.chains:,} chains, {done.residues:,} residues\nwrote {output}", soft_wrap=True)
    if done.bad:
        err.print(f"{done.bad:,} records were left out, see above", style="bold red")
        raise typer.Exit(EXIT_INCOMPLETE)
