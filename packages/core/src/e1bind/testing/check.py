"""What a check of a contract is: a question to one component, what is promised, what to do where it fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

Status = Literal["pass", "fail", "expected", "skip"]
Ask = Callable[[Any], None]
"""A function of a `Subject`, which knows the checks and so cannot be named here."""


class Broken(Exception):
    """The component does what its contract rules out; the text says what it did."""


class DoesNotApply(Exception):
    """There is nothing to check; the text says why."""


@dataclass(frozen=True)
class Check:
    """One question.

    name     words joined by "-"
    promise  what the contract says, one sentence
    advice   what to do where it does not hold
    ask      raises `Broken`, or `DoesNotApply`; whatever else it raises is the component's own failure
    after    names of the checks that must hold before this one means anything
    """

    name: str
    promise: str
    advice: str
    ask: Ask
    after: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """How a check ended: "pass", "fail", "expected" (it fails, as its author has said) or "skip"; and why."""

    check: Check
    status: Status
    why: str = ""


@dataclass
class Checks:
    """The checks of one kind of component, in order; `always` stands before the `after` of each of them."""

    always: tuple[str, ...] = ()
    all: list[Check] = field(default_factory=list)

    def check(self, advice: str, after: tuple[str, ...] = ()) -> Callable[[Ask], Ask]:
        """Add a function as a check: its name with dashes, the first line of its docstring as the promise."""

        def add(ask: Ask) -> Ask:
            promise = (ask.__doc__ or "").strip().splitlines()[0]
            name = ask.__name__.replace("_", "-")
            self.all.append(Check(name, promise, advice, ask, (*self.always, *after)))
            return ask

        return add


def with_expectation(outcome: Outcome, reason: str | None) -> Outcome:
    """The outcome in the light of the failure its author expects: a failure may then be, a pass may not."""
    if reason is None:
        return outcome
    if outcome.status == "fail":
        return Outcome(outcome.check, "expected", f"{reason} ({outcome.why})")
    if outcome.status == "pass":
        return Outcome(
            outcome.check, "fail", f"holds, although it is expected to fail: {reason}; expect it no more"
        )
    return outcome
