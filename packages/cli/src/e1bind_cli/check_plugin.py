"""`e1bind check-plugin`: hold a plugin's components to their contracts, and say what to do where they break one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from e1bind.errors import UserError
from e1bind_cli.arguments import AsJson
from e1bind_cli.console import out

if TYPE_CHECKING:
    from e1bind.testing.check import Outcome
    from e1bind.testing.plugin import Checked

EXIT_BROKEN = 1
_COLOURS = {"pass": "green", "fail": "bold red", "expected": "yellow", "skip": "dim"}

Plugin = Annotated[
    str,
    typer.Argument(metavar="PLUGIN", help="Name of an installed package, or a .py file.", show_default=False),
]
Options = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KIND.NAME.OPTION=VALUE",
        help="Option to try a component with, in place of its example; repeatable.",
    ),
]
Expect = Annotated[
    list[str] | None,
    typer.Option(
        "--expect",
        metavar="KIND.NAME.CHECK=REASON",
        help="A check that a component is right to fail, and why; repeatable.",
    ),
]


def check_plugin(plugin: Plugin, options: Options = None, expect: Expect = None, as_json: AsJson = False) -> None:
    """Try everything its contract says on every component of a plugin. Exit code 1 where one breaks it."""
    given, expected = _by_component("--set", options), _by_component("--expect", expect)
    reasons = {path: {check: str(why) for check, why in checks.items()} for path, checks in expected.items()}
    from e1bind.testing.plugin import check_plugin as check

    found = check(plugin, given, reasons, (lambda _: None) if as_json else _print_component)
    failed = [checked.component.full_name for checked in found if checked.failed]
    if as_json:
        told = {"plugin": plugin, "ok": not failed, "components": [_component_json(checked) for checked in found]}
        typer.echo(json.dumps(told, indent=2))
    elif failed:
        named = ", ".join(failed)
        out.print(f"{len(failed)} of {len(found)} components break their contract: {named}", soft_wrap=True)
    else:
        out.print(f"{plugin} keeps every contract: {_counted(len(found), 'component')}", soft_wrap=True)
    if failed:
        raise typer.Exit(EXIT_BROKEN)


def _by_component(option: str, texts: list[str] | None) -> dict[str, dict[str, Any]]:
    """`loss.gap.margin=0.3` as {"loss.gap": {"margin": 0.3}}."""
    from e1bind.spec.loading import parse_override

    found: dict[str, dict[str, Any]] = {}
    for text in texts or ():
        try:
            keys, value = parse_override(text)
        except ValueError as error:
            raise UserError(f"{option} {text}: {error}") from error
        if len(keys) != 3:
            raise UserError(f"{option} {text}: must look like loss.gap.margin=0.3, KIND.NAME first")
        found.setdefault(".".join(keys[:2]), {})[keys[2]] = value
    return found


def _print_component(checked: Checked) -> None:
    component = checked.component
    out.print(Text(f"{component.kind.replace('_', ' ')} {component.full_name}", style="bold"))
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column()
    for outcome in checked.outcomes:
        table.add_row(Text(outcome.status, style=_COLOURS[outcome.status]), _row(outcome))
    out.print(table)
    counts = {status: sum(o.status == status for o in checked.outcomes) for status in _COLOURS}
    out.print(Text(", ".join(f"{count} {status}" for status, count in counts.items() if count) + "\n", style="dim"))


def _row(outcome: Outcome) -> Text:
    """The name of a check; below it why it failed or was left out, what is promised, and what to do."""
    text = Text(outcome.check.name)
    if outcome.why:
        text.append(f"\n  {outcome.why}")
    if outcome.status == "fail":
        text.append(f"\n  {outcome.check.promise}", style="dim")
        text.append(f"\n  {outcome.check.advice}", style="cyan")
    return text


def _component_json(checked: Checked) -> dict[str, Any]:
    component = checked.component
    return {
        "kind": component.kind,
        "name": component.name,
        "full_name": component.full_name,
        "ok": not checked.failed,
        "checks": [
            {
                "check": outcome.check.name,
                "status": outcome.status,
                "why": outcome.why,
                "promise": outcome.check.promise,
                "advice": outcome.check.advice,
            }
            for outcome in checked.outcomes
        ],
    }


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
