"""How messages call a component that a spec has chosen, and what every kind of them is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from e1bind.errors import ContractError
from e1bind.files.text import command
from e1bind.spec.runspec import Chosen


@dataclass(frozen=True)
class Named:
    """How messages call a component, and what `check-plugin` is given to check it; both picklable."""

    kind: str
    full_name: str
    checked_by: str

    @classmethod
    def of(cls, chosen: Chosen) -> Named:
        """The name of a component that a spec has chosen."""
        source = chosen.component.source
        plugin = source.file if source.distribution == "local" and source.file else source.distribution
        return cls(chosen.component.kind.replace("_", " "), chosen.component.full_name, plugin)

    def hold(self, fault: str | None) -> None:
        """Raise `ContractError` for a fault."""
        if fault is not None:
            raise self.error(fault)

    def error(self, fault: str) -> ContractError:
        """The sentence about a fault."""
        try_it = command("check-plugin", self.checked_by)
        return ContractError(
            f"{self.kind} {self.full_name} {fault} (a fault of the plugin; `{try_it}` tries all of its contract)"
        )


def methods_fault(component: Any, names: Sequence[str]) -> str | None:
    """Whether a component has the methods of its kind; in words that go on after its name."""
    missing = [name for name in names if not callable(getattr(component, name, None))]
    return f"has no method {missing[0]!r}" if missing else None
