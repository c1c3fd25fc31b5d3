"""`e1bind export`: a fold of a run as a checkpoint of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from e1bind.plugins.uncollected import uncollected
from e1bind_cli.console import err, interruptible, log_to_terminal
from e1bind_cli.inference_arguments import Checkpoint, Run, Threads, TrustRunCode, set_threads


def export(
    run: Run,
    fold: Annotated[int, typer.Option(min=1, metavar="N", help="Fold whose adapter to merge.", show_default=False)],
    merged: Annotated[
        Path,
        typer.Option("--merged", metavar="DIR", help="Folder to write, empty or not there.", show_default=False),
    ],
    threads: Threads = None,
    checkpoint: Checkpoint = None,
    trust_run_code: TrustRunCode = False,
) -> None:
    """Merge a fold's adapter into its backbone, and write that as a checkpoint with heads and thresholds."""
    with uncollected():
        from e1bind.inference.export import ExportOptions, export_merged

    log_to_terminal()
    set_threads(threads)
    with interruptible("no folder was written"):
        folder = export_merged(run, ExportOptions(fold, merged, checkpoint, trust_run_code))
    for file in sorted(folder.path.iterdir()):
        err.print(f"wrote {file}", soft_wrap=True)
