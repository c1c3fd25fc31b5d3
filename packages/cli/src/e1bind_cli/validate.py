"""`e1bind validate`: is the spec right? Without loading the machine-learning stack."""

from __future__ import annotations

from typing import Annotated

import typer

from e1bind_cli.arguments import Overrides, SpecFile
from e1bind_cli.console import err, out

Build = Annotated[
    bool, typer.Option("--build", help="Also build every component, weights apart; this loads torch and the rest.")
]


def validate(spec: SpecFile, overrides: Overrides = None, build: Build = False) -> None:
    """Check a spec against the installed plugins; list all problems at once."""
    from e1bind.spec import load_spec
    from e1bind.spec.crosschecks import spec_warnings

    run = load_spec(spec, overrides or [])
    for warning in spec_warnings(run):
        err.print(f"warning: {warning}", soft_wrap=True)
    parts = [f"data.{run.data.label}", f"backbone.{run.backbone.label}", f"views.{run.views.label}"]
    parts += [f"losses.{label}" for label in run.active_losses]
    if build:
        from e1bind.workflow import try_building

        parts.append(f"all built ({try_building(run)})")
    out.print(f"{spec} is valid: {', '.join(parts)}", soft_wrap=True)
