"""How the zoo's animals are kept: each class of a plugin file with the one check that is to catch it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from e1bind.plugins import ComponentPlugin

Class = TypeVar("Class", bound=type)


@dataclass
class Zoo:
    """The components of one file. `defaults` go into every descriptor."""

    plugin: type[ComponentPlugin]
    defaults: dict[str, Any]
    caught_by: dict[str, str | None] = field(default_factory=dict)
    found: list[ComponentPlugin] = field(default_factory=list)

    def right(self, **changes: Any) -> Callable[[Class], Class]:
        """Add a class that has no fault."""
        return self._add(None, changes)

    def wrong(self, caught_by: str, **changes: Any) -> Callable[[Class], Class]:
        """Add a class with one fault, and the check that catches it; `changes` are of its descriptor."""
        return self._add(caught_by, changes)

    def _add(self, caught_by: str | None, changes: dict[str, Any]) -> Callable[[Class], Class]:
        def add(cls: Class) -> Class:
            name = re.sub(r"(?<!^)(?=[A-Z])", "-", cls.__name__).lower()
            target = f"{cls.__module__}:{cls.__name__}"
            summary = (cls.__doc__ or "Does what it should.").splitlines()[0]
            self.caught_by[name] = caught_by
            self.found.append(
                self.plugin(**{"name": name, "target": target, "summary": summary, **self.defaults, **changes})
            )
            return cls

        return add
