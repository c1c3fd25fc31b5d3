"""A component on trial: how it is found, with which options it is built, and what has been found out so far."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from e1bind.errors import PluginError, UserError
from e1bind.plugins import Component, PluginPolicy, discover
from e1bind.plugins.foreign import stdout_to_stderr, told
from e1bind.spec.options import Options
from e1bind.spec.problems import validate_options
from e1bind.testing.check import Broken, Check, DoesNotApply, Outcome
from e1bind.testing.kinds import checks_of

ION = "ZN"
"""The ion that examples of readers hold chains of."""


class Subject:
    """One component. `given` are the options to build it with; None: its own example (`Options.example`)."""

    def __init__(self, component: Component, given: Mapping[str, Any] | None = None) -> None:
        self.component = component
        self.given = given
        self.checks = {check.name: check for check in checks_of(component.kind)}
        self.folder = Path(tempfile.mkdtemp(prefix="e1bind-check-"))
        weakref.finalize(self, shutil.rmtree, self.folder, True)
        self._outcomes: dict[str, Outcome] = {}

    @property
    def declared(self) -> frozenset[str]:
        """What descriptor and options say the component provides."""
        return frozenset(self.component.plugin.provides) | self.options.capabilities()

    @property
    def needed(self) -> frozenset[str]:
        """What descriptor and options say the component needs."""
        return frozenset(self.component.plugin.needs) | self.options.requirements()

    @cached_property
    def model(self) -> type[Options]:
        """The class of its options."""
        model: type[Options] = self.component.load_options()
        return model

    @cached_property
    def options(self) -> Options:
        """The options it is tried with."""
        return self.options_in(self.another_folder())

    def options_in(self, folder: Path) -> Options:
        """The options, with an example made in the empty `folder`. Raises `PluginError` for invalid ones."""
        table = dict(self.model.example(folder) if self.given is None else self.given)
        path = f"{self.component.kind}.{self.component.name}"
        options, problems = validate_options(self.model, table, path, {"base_dir": folder})
        if options is None:
            listed = "; ".join(f"{problem.path} {problem.message}" for problem in problems)
            source = "Options.example gives" if self.given is None else "the options it is to be tried with are"
            raise PluginError(f"{source} {table!r}, which is not valid: {listed}")
        return options

    def build(self, options: Options | None = None) -> Any:
        """A fresh instance."""
        return self.component.build(options or self.options)

    def another_folder(self) -> Path:
        """A new, empty folder, gone with the subject."""
        return Path(tempfile.mkdtemp(dir=self.folder))

    def outcome(self, name: str) -> Outcome:
        """How the check of that name ends; each is asked once."""
        if name not in self._outcomes:
            self._outcomes[name] = self._ask(self.checks[name])
        return self._outcomes[name]

    def _ask(self, check: Check) -> Outcome:
        for name in check.after:
            if self.outcome(name).status != "pass":
                return Outcome(check, "skip", f"means nothing before {name} holds")
        try:
            with stdout_to_stderr():
                check.ask(self)
        except Broken as broken:
            return Outcome(check, "fail", str(broken))
        except DoesNotApply as reason:
            return Outcome(check, "skip", str(reason))
        except UserError as error:
            return Outcome(check, "fail", str(error))
        except Exception as error:  # noqa: BLE001 - the component is foreign code and may raise anything
            return Outcome(check, "fail", f"raised {told(error)}")
        return Outcome(check, "pass")


def find_component(kind: str, name: str, local: Sequence[Path] = ()) -> Component:
    """The installed component of that name, or that of a single file in `local`. Raises `PluginError`."""
    return discover(PluginPolicy(local=local)).get(kind, name)
