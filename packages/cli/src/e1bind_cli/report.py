"""`e1bind report`: the page of a finished run, drawn anew."""

from __future__ import annotations

from e1bind_cli.console import err, log_to_terminal
from e1bind_cli.inference_arguments import Run


def report(run: Run) -> None:
    """Draw the figures and report.html of a finished run again."""
    from e1bind import workflow

    log_to_terminal()
    err.print(f"wrote {workflow.report(run)}", soft_wrap=True)
