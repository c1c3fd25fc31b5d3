"""`e1bind evaluate`: how good a finished run is on labelled chains it has not seen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.table import Table

from e1bind.plugins.uncollected import uncollected
from e1bind_cli.arguments import AsJson
from e1bind_cli.console import echo, err, interruptible, log_to_terminal, out
from e1bind_cli.inference_arguments import (
    Checkpoint,
    Device,
    Ions,
    MaxTokens,
    MsaDir,
    Run,
    Threads,
    Thresholds,
    TrustRunCode,
    chains_bar,
    chosen_thresholds,
    set_threads,
)
from e1bind_cli.results import baselines_table, between, three

if TYPE_CHECKING:
    from e1bind.inference.evaluate import Evaluation

Data = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Labelled chains, in the format the run was trained on; {ion} stands for each ion.",
        show_default="the test file of the spec",
    ),
]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="DIR", help="Results.", show_default="RUN/evaluation_NAME"),
]
Resamples = Annotated[int, typer.Option(min=20, help="Draws of proteins for the intervals.")]


def evaluate(
    run: Run,
    data: Data = None,
    output: Output = None,
    ions: Ions = None,
    msa_dir: MsaDir = None,
    resamples: Resamples = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draws.")] = 1,
    device: Device = "auto",
    threads: Threads = None,
    max_tokens: MaxTokens = None,
    checkpoint: Checkpoint = None,
    thresholds: Thresholds = None,
    trust_run_code: TrustRunCode = False,
    as_json: AsJson = False,
) -> None:
    """Measure the fold ensemble on test chains, at the run's thresholds, with 95 % intervals over proteins."""
    with uncollected():
        from e1bind import workflow
        from e1bind.inference.evaluate import EvaluateOptions
        from e1bind.runs.result_dirs import EvaluationDir

    log_to_terminal()
    set_threads(threads)
    options = EvaluateOptions(
        data=data,
        target=output,
        ions=tuple(ions or ()),
        msa_dir=msa_dir,
        resamples=resamples,
        seed=seed,
        device=device,
        max_tokens=max_tokens,
        checkpoint=checkpoint,
        thresholds=chosen_thresholds(thresholds),
        trust_run_code=trust_run_code,
    )
    with interruptible("the results are not complete"), chains_bar(None) as advance:
        evaluation, folder = workflow.evaluate(run, options, advance)
    if as_json:
        echo(EvaluationDir(folder).figures.read_text(encoding="utf-8").rstrip())
    else:
        _say(evaluation)
    err.print(f"wrote tables and figures into {folder}", soft_wrap=True)


def _say(evaluation: Evaluation) -> None:
    from e1bind.metrics.thresholds import threshold_text

    for result in evaluation.ions:
        counts = result.counts
        sites, residues = counts.tp + counts.fn, counts.tp + counts.fp + counts.fn + counts.tn
        out.print(
            f"{result.ion}: {len(result.predictions)} chains, {residues:,} residues, {sites} binding; "
            f"calls from {threshold_text(result.threshold)} on",
        )
        table = Table(box=box.SIMPLE, show_edge=False, padding=(0, 1))
        for column in ("metric", "test", "95 % interval", "out-of-fold"):
            table.add_column(column, justify="left" if column == "metric" else "right")
        oof = evaluation.run.summary.oof[result.ion].metrics
        for name, found in result.metrics.items():
            table.add_row(name, three(found.value), between(found.low, found.high), three(oof.get(name)))
        out.print(table)
        if result.judged is not None:
            out.print("Beside the run's baselines: AUPRC on the same residues, 95 % over proteins")
            out.print(baselines_table({result.ion: (result.judged.auprc, result.judged.baselines)}))
        reasons: dict[str, list[str]] = {}
        for name, found in result.metrics.items():
            reasons.setdefault(found.reason or "", []).append(name)
        for reason, names in reasons.items():
            if reason:
                out.print(f"{', '.join(names)}: {reason}", soft_wrap=True)
