"""What the library raises when the user can mend it; the command line prints these without a traceback."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class UserError(Exception):
    """A mistake the user can mend: the message says where, what, and what to do."""


class DataError(UserError):
    """Something is wrong with an input file; the message names the file and, where there is one, the line."""


class PluginError(UserError):
    """A component cannot be found, loaded or told apart from another one."""


class ContractError(PluginError):
    """A component did what the contract of its kind (`e1bind.contracts`) rules out; the message names it."""


class RunError(UserError):
    """A run directory cannot be created, read or continued."""


class LostProcess(RunError):
    """Another process of the run cannot be reached: it has ended, so there is nobody to wait for."""


class Interrupted(Exception):
    """A signal ended the run after its state was saved; `signal` is its number."""

    def __init__(self, signal: int, message: str) -> None:
        self.signal = signal
        super().__init__(message)


MAX_SHOWN = 50
"""Problems of a spec that are printed; the rest is counted, so that a report fits on a screen or two."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a spec: the dotted path of the key, and the sentence about it."""

    path: str
    message: str


class SpecError(UserError):
    """A run spec has problems; all of them are told at once, the first `MAX_SHOWN` in full."""

    def __init__(self, source: str, problems: Sequence[Problem]) -> None:
        self.source = source
        self.problems = tuple(problems)
        super().__init__(self._render())

    def _render(self) -> str:
        count = len(self.problems)
        shown = self.problems[:MAX_SHOWN]
        width = min(max((len(p.path) for p in shown), default=0), 48)
        lines = [f"{self.source} has {count} problem{'' if count == 1 else 's'}:"]
        lines += [f"  {p.path.ljust(width)}  {p.message}" for p in shown]
        if count > len(shown):
            lines.append(f"  and {count - len(shown)} more")
        return "\n".join(lines)
