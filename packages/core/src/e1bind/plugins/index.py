"""What discovery found, and how a name in a spec becomes a component."""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from e1bind.errors import PluginError
from e1bind.plugins.descriptors import ComponentPlugin
from e1bind.plugins.foreign import ForeignError, foreign_code, stdout_to_stderr, told
from e1bind.plugins.provenance import Source
from e1bind.plugins.uncollected import uncollected

FIRST_PARTY = frozenset({"e1bind", "e1bind-core", "e1bind-losses", "e1bind-backbones"})


@dataclass(frozen=True)
class Component:
    """A descriptor together with the plugin it came from."""

    plugin: ComponentPlugin
    source: Source

    @property
    def kind(self) -> str:
        return self.plugin.kind

    @property
    def name(self) -> str:
        return self.plugin.name

    @property
    def full_name(self) -> str:
        """`distribution/name`, which no other distribution can claim."""
        return f"{self.source.distribution}/{self.plugin.name}"

    @property
    def first_party(self) -> bool:
        return self.source.distribution in FIRST_PARTY

    def load_options(self) -> type[Any]:
        """The options model. Raises `PluginError` where it cannot be imported or is not an `Options`."""
        from e1bind.spec.options import Options  # spec may import plugins, so not at the top

        model = self._load(self.plugin.options, "options")
        if not (inspect.isclass(model) and issubclass(model, Options)):
            raise PluginError(
                f"{self._who()}: options {self.plugin.options!r} is not a subclass of e1bind.spec.Options"
            )
        return model

    def load_target(self) -> Any:
        """The class a run builds. Raises `PluginError` where it cannot be imported."""
        return self._load(self.plugin.target, "target")

    def build(self, options: Any) -> Any:
        """An instance made with `options`; its own errors pass on, an attempt to exit is a `PluginError`."""
        target = self.load_target()
        with stdout_to_stderr():
            try:
                return target(options)
            except (Exception, KeyboardInterrupt):
                raise
            except BaseException as error:
                raise PluginError(f"{self._who()}: building it failed: {told(error)}") from error

    def _who(self) -> str:
        return f"{self.kind} {self.full_name} ({self.source.label()})"

    def _load(self, path: str, role: str) -> Any:
        module_name, _, attribute = path.partition(":")
        try:
            with foreign_code(), uncollected():
                value: Any = importlib.import_module(module_name)
                for part in attribute.split("."):
                    value = getattr(value, part)
        except ForeignError as error:
            raise PluginError(f"{self._who()}: its {role} {path!r} cannot be imported: {error}") from error
        return value


@dataclass(frozen=True)
class PluginStatus:
    """One entry point or local file: "ok", "broken", "incompatible", "blocked" or "not allowed".

    `failed_at` is the file and the line of its code where it failed, if any; `warning` is about a plugin that
    works.
    """

    source: Source
    status: str
    error: str | None = None
    components: tuple[Component, ...] = ()
    failed_at: tuple[str, int] | None = None
    warning: str | None = None


class PluginIndex:
    """All components by kind and name; a name that two plugins claim is an error when it is used, not before."""

    def __init__(self, plugins: Iterable[PluginStatus]) -> None:
        self.plugins = tuple(plugins)

    def components(self, kind: str | None = None) -> list[Component]:
        """Every component (of one kind), sorted by kind and full name."""
        found = [c for status in self.plugins for c in status.components if kind in (None, c.kind)]
        return sorted(found, key=lambda c: (c.kind, c.full_name))

    def failures(self) -> list[PluginStatus]:
        """Plugins that are installed but broken or written for another API."""
        return [p for p in self.plugins if p.status in ("broken", "incompatible")]

    def get(self, kind: str, name: str) -> Component:
        """The component a spec means by `name` (bare or `distribution/name`). Raises `PluginError`."""
        candidates = [c for c in self.components(kind) if name == (c.full_name if "/" in name else c.name)]
        own = [c for c in candidates if c.first_party]
        chosen = own or candidates
        if len(chosen) == 1:
            return chosen[0]
        if chosen:
            raise PluginError(self._ambiguous(kind, name, chosen))
        raise PluginError(self._unknown(kind, name))

    def shadowed(self, component: Component) -> bool:
        """Whether the bare name means something else, or nothing, so that the full name must be used."""
        twins = [c for c in self.components(component.kind) if c.name == component.name]
        own = [c for c in twins if c.first_party]
        return len(twins) > 1 and own != [component]

    def _ambiguous(self, kind: str, name: str, chosen: list[Component]) -> str:
        full = sorted({c.full_name for c in chosen})
        where = ", ".join(sorted(f"{c.source.label()} ({c.source.entry_point})" for c in chosen))
        if len(full) > 1:
            return f"{len(chosen)} plugins have a {_words(kind)} named {name!r}; write one of {', '.join(full)}"
        return f"{name!r} is registered {len(chosen)} times by {where}; remove or block all but one"

    def _unknown(self, kind: str, name: str) -> str:
        known = sorted({c.name for c in self.components(kind)} | {c.full_name for c in self.components(kind)})
        close = difflib.get_close_matches(name, known, n=1)
        message = f"no {_words(kind)} named {name!r}"
        message += f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(_bare(known)) or 'none'}"
        broken = [p.source.label() for p in self.failures()]
        if broken:
            message += f" (installed but not usable: {', '.join(broken)}; see `e1bind list-plugins`)"
        return message


def _bare(names: Iterable[str]) -> list[str]:
    return [n for n in names if "/" not in n]


def _words(kind: str) -> str:
    return kind.replace("_", " ")
