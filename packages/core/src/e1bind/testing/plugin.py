"""All checks of all components of a plugin: what `e1bind check-plugin` does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from e1bind.errors import PluginError, UserError
from e1bind.plugins import Component, PluginPolicy, PluginStatus, discover
from e1bind.testing.check import Outcome, with_expectation
from e1bind.testing.subject import Subject


@dataclass(frozen=True)
class Checked:
    """A component and how its checks ended, in order."""

    component: Component
    outcomes: tuple[Outcome, ...]

    @property
    def failed(self) -> bool:
        """Whether any check fails that is not expected to."""
        return any(outcome.status == "fail" for outcome in self.outcomes)


def plugin_components(target: str) -> list[Component]:
    """The components of a distribution, or of a single file. Raises `PluginError` where it gives none."""
    file = Path(target)
    if file.suffix == ".py":
        index = discover(PluginPolicy(local=[file.absolute()], allow=[]))
        mine = [status for status in index.plugins if status.source.distribution == "local"]
    else:
        name = canonicalize_name(target)
        mine = [status for status in discover().plugins if status.source.distribution == name]
        if not mine:
            raise PluginError(
                f"no e1bind plugin {target!r} is installed; `e1bind list-plugins` shows those that are, and a "
                "single file is named with its .py"
            )
    for status in mine:
        _refuse_unusable(status)
    found = [component for status in mine for component in status.components]
    if not found:
        raise PluginError(
            f"{target} offers no component: no function of its plugin module is marked with @hookimpl"
        )
    return found


def _refuse_unusable(status: PluginStatus) -> None:
    if status.status != "ok":
        name = f"{status.source.label()} ({status.source.entry_point})"
        raise PluginError(f"{name} is {status.status}: {status.error}")


def check_plugin(
    target: str,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    expected: Mapping[str, Mapping[str, str]] | None = None,
    told: Callable[[Checked], None] = lambda _: None,
) -> list[Checked]:
    """Ask everything of every component of `target`, a distribution or a single file.

    `options` and `expected` (failures, check -> reason) by "kind.name"; `told` hears of each component when its
    checks are done. Raises `UserError` where there is nothing to check, or a name means nothing.
    """
    components = {f"{c.kind}.{c.name}": c for c in plugin_components(target)}
    options, expected = options or {}, expected or {}
    if strange := sorted({*options, *expected} - set(components)):
        raise UserError(f"{strange[0]!r} is no component of {target}; it has {', '.join(sorted(components))}")
    found = []
    for path, component in components.items():
        found.append(_checked(Subject(component, options.get(path)), expected.get(path, {})))
        told(found[-1])
    return found


def _checked(subject: Subject, expected: Mapping[str, str]) -> Checked:
    if strange := sorted(set(expected) - set(subject.checks)):
        known = ", ".join(subject.checks)
        raise UserError(f"there is no check {strange[0]!r} of a {subject.component.kind}; there are {known}")
    outcomes = tuple(with_expectation(subject.outcome(name), expected.get(name)) for name in subject.checks)
    return Checked(subject.component, outcomes)
