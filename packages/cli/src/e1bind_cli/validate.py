"""`e1bind validate`: is the spec right, and is there what it names? Without loading the machine-learning stack."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from e1bind.errors import SpecError, UserError
from e1bind.plugins.uncollected import uncollected
from e1bind_cli.arguments import AsJson, Overrides, SpecFile
from e1bind_cli.console import err, out, table

if TYPE_CHECKING:
    from e1bind.curation.rehearsal import Rehearsal, SplitData

Data = Annotated[
    bool, typer.Option("--data", help="Also read the chains and make the folds, and count what is in them.")
]
Build = Annotated[
    bool, typer.Option("--build", help="Also build every component, weights apart; this loads torch and the rest.")
]


def validate(
    spec: SpecFile, overrides: Overrides = None, data: Data = False, build: Build = False, as_json: AsJson = False
) -> None:
    """Check a spec against the installed plugins, and look for the files it names; list all problems at once."""
    try:
        found, rehearsal = _checked(spec, overrides or [], data, build)
    except UserError as error:
        if as_json:
            typer.echo(json.dumps({"spec": str(spec), "valid": False, "problems": _problems(error)}, indent=2))
        raise
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    _print(found, rehearsal)


def _checked(spec: Path, overrides: list[str], data: bool, build: bool) -> tuple[dict[str, Any], Rehearsal | None]:
    """What there is to say of a spec that is right. Raises `UserError` for one that is not."""
    from e1bind.spec import load_spec
    from e1bind.spec.crosschecks import spec_warnings
    from e1bind.spec.named_files import SPLITS

    run = load_spec(spec, overrides, SPLITS)
    parts = [f"data.{run.data.label}", f"backbone.{run.backbone.label}", f"views.{run.views.label}"]
    parts += [f"losses.{label}" for label in run.active_losses]
    found: dict[str, Any] = {"spec": str(spec), "valid": True, "components": parts, "warnings": spec_warnings(run)}
    rehearsal = None
    if data:
        from e1bind.curation.rehearsal import rehearse

        rehearsal = rehearse(run)
        found["data"] = rehearsal.as_json()
    if build:
        with uncollected():
            from e1bind.workflow import try_building

        found["built"] = try_building(run)
    return found, rehearsal


def _problems(error: UserError) -> list[dict[str, str]]:
    if isinstance(error, SpecError):
        return [{"path": problem.path, "message": problem.message} for problem in error.problems]
    return [{"path": "", "message": str(error)}]


def _print(found: dict[str, Any], rehearsal: Rehearsal | None) -> None:
    for warning in found["warnings"]:
        err.print(f"warning: {warning}", soft_wrap=True)
    parts = [*found["components"], *([f"all built ({found['built']})"] if "built" in found else [])]
    out.print(f"{found['spec']} is valid: {', '.join(parts)}", soft_wrap=True)
    if rehearsal is None:
        return
    for split, of in rehearsal.splits.items():
        _print_split(split, of)
    rows = table("fold", "ion", "chains", "residues", "binding", words=["ion"])
    for count in rehearsal.folds:
        rows.add_row(str(count.fold), Text(count.ion), *map(str, (count.proteins, count.residues, count.positives)))
    out.print("folds: chains held out, their residues with a known label, and those that bind")
    out.print(rows)


def _print_split(split: str, of: SplitData) -> None:
    out.print(f"{split}: {of.statistics.chains} chains")
    rows = table("ion", "chains", "residues", "known", "binding", "with an alignment", words=["ion"])
    for ion, counts in of.ions.items():
        numbers = (counts.chains, counts.residues, counts.known, counts.binding, of.aligned[ion])
        rows.add_row(Text(ion), *map(str, numbers))
    out.print(rows)
    for warning in of.statistics.warnings:
        err.print(f"warning: {split}: {warning}", soft_wrap=True)
