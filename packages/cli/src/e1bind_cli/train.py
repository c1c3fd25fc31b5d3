"""`e1bind train` and `e1bind collect`: whole runs. Under torchrun every process comes here; one of them talks."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from e1bind.errors import Interrupted, UserError
from e1bind.plugins.uncollected import uncollected
from e1bind_cli.arguments import Overrides
from e1bind_cli.completion import run_folders
from e1bind_cli.console import errors, interruptible, is_main, log_to_terminal
from e1bind_cli.inference_arguments import Run, TrustRunCode
from e1bind_cli.results import print_results

if TYPE_CHECKING:
    from e1bind.engine.conclusion import Finished
    from e1bind.engine.events import Listener

SpecOrNone = Annotated[
    Path | None, typer.Argument(metavar="SPEC", help="Run spec, a TOML file.", show_default=False)
]
Fold = Annotated[int | None, typer.Option(min=1, help="Train this fold only, for array jobs; then `collect`.")]
RunId = Annotated[str | None, typer.Option(metavar="NAME", help="Name of the run directory.", show_default=False)]
Resume = Annotated[
    Path | None,
    typer.Option(
        metavar="RUN", help="Go on with this run directory.", show_default=False, autocompletion=run_folders
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Resume although spec or plugins have changed.")]
Device = Annotated[
    str | None,
    typer.Option(help="auto, cpu or cuda, in place of the device in the spec's [run].", show_default=False),
]
Processes = Annotated[int | None, typer.Option(min=1, help="Processes to train with, one for each GPU.")]


def train(
    spec: SpecOrNone = None,
    overrides: Overrides = None,
    fold: Fold = None,
    run_id: RunId = None,
    resume: Resume = None,
    force: Force = False,
    device: Device = None,
    nproc: Processes = None,
    trust_run_code: TrustRunCode = False,
) -> None:
    """Train all folds of a spec, or go on with a run, and write the run directory."""
    overrides = [*(overrides or []), *([f"run.device={device}"] if device is not None else [])]
    _check(spec, overrides, fold, run_id, resume, force)
    from e1bind.spec import load_spec

    run = load_spec(spec, overrides, ["train"]) if spec is not None else None
    if nproc is not None and nproc > 1:
        from e1bind_cli.launch import launch

        raise typer.Exit(launch(nproc, sys.argv[1:]))

    def work(listener: Listener) -> Finished | None:
        with uncollected():
            from e1bind import workflow

        if resume is not None:
            return workflow.resume(resume, run, listener, force, fold, trust_run_code)
        if run is None or spec is None:
            raise UserError("name a spec to train")
        return workflow.train(run, spec, listener, run_id, fold)

    _say_and_do(work)


def collect(
    run: Run,
    trust_run_code: TrustRunCode = False,
) -> None:
    """Put a run together whose folds were trained one by one: predictions, thresholds, report."""

    def work(listener: Listener) -> Finished:
        with uncollected():
            from e1bind import workflow

        return workflow.collect(run, trust_run_code, listener)

    _say_and_do(work)


def _check(
    spec: Path | None,
    overrides: list[str],
    fold: int | None,
    run_id: str | None,
    resume: Path | None,
    force: bool,
) -> None:
    """Which options go together. Raises `UserError`."""
    if spec is None and resume is None:
        raise UserError("name a spec (e1bind train SPEC), or a run to go on with (e1bind train --resume RUN)")
    if spec is None and overrides:
        raise UserError("--set and --device change a spec: with --resume, name the spec as well (and pass --force)")
    if resume is None and force:
        raise UserError("--force belongs to --resume")
    if resume is not None and run_id is not None:
        raise UserError("--run-id names a new run; --resume goes on with one that has a name")
    if resume is None and fold is not None and run_id is None:
        raise UserError("--fold needs --run-id, so that the folds of one run find each other")


def _say_and_do(work: Callable[[Listener], Finished | None]) -> None:
    from e1bind_cli.progress import progress

    log_to_terminal()
    try:
        with interruptible("what was written so far is not a finished run"), progress() as listener:
            finished = work(listener)
    except Interrupted as stop:
        if is_main():
            errors.print(str(stop), soft_wrap=True)
        raise typer.Exit(128 + stop.signal) from None
    if finished is not None:
        print_results(finished.summary, finished.run.path)
