"""Find plugins and load them one at a time, so that one bad package breaks nothing but itself.

Two passes: the first collects what every plugin offers, the second (`PluginIndex`) gives names their meaning, so
that no component wins because it was found first.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType

import pluggy
from packaging.utils import canonicalize_name

from e1bind.errors import PluginError
from e1bind.plugins import hookspecs
from e1bind.plugins.api import api_fault, api_warning
from e1bind.plugins.descriptors import PLUGIN_TYPES, ComponentPlugin
from e1bind.plugins.foreign import ForeignError, foreign_code
from e1bind.plugins.forgotten_hooks import refuse_forgotten
from e1bind.plugins.index import FIRST_PARTY, Component, PluginIndex, PluginStatus
from e1bind.plugins.installed import Registration, registrations
from e1bind.plugins.provenance import Source, local_source

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_PATH = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


@dataclass(frozen=True)
class PluginPolicy:
    """Which plugins may load.

    require  version requirements that must be installed and usable
    block    distributions or entry points never to load
    local    single-file plugins
    allow    None: all; otherwise only these distributions or entry points (and e1bind's own)
    strict   a plugin that cannot be loaded is an error
    """

    require: Sequence[str] = ()
    block: Sequence[str] = ()
    local: Sequence[Path] = ()
    allow: Sequence[str] | None = field(default_factory=lambda: _allowed_by_environment())
    strict: bool = field(default_factory=lambda: os.environ.get("E1BIND_STRICT_PLUGINS") == "1")


def discover(policy: PluginPolicy | None = None) -> PluginIndex:
    """Load every permitted plugin. Raises `PluginError` for a missing requirement, or any failure when strict."""
    policy = policy or PluginPolicy()
    plugins = [_load_installed(registration, policy) for registration in registrations()]
    plugins += [_load_local(Path(path)) for path in policy.local]
    index = PluginIndex(plugins)
    problems = _missing_requirements(policy.require, index)
    if policy.strict:
        problems += [f"{p.source.label()} ({p.source.entry_point}): {p.error}" for p in index.failures()]
    if problems:
        raise PluginError("\n".join(problems))
    return index


def _allowed_by_environment() -> Sequence[str] | None:
    value = os.environ.get("E1BIND_PLUGINS")
    return None if value is None else [name.strip() for name in value.split(",") if name.strip()]


def _load_installed(registration: Registration, policy: PluginPolicy) -> PluginStatus:
    source, entry = registration.source, registration.entry
    names = {source.distribution, source.entry_point}
    if names & {canonicalize_name(name) for name in policy.block} or names & set(policy.block):
        return PluginStatus(source, "blocked", "blocked by the spec")
    allowed = policy.allow is None or bool(names & set(policy.allow)) or source.distribution in FIRST_PARTY
    if not allowed:
        return PluginStatus(source, "not allowed", "not named in E1BIND_PLUGINS")
    if entry is None:
        return PluginStatus(source, "broken", registration.fault)
    try:
        with foreign_code():
            module = entry.load()
            file = getattr(module, "__file__", None)
    except ForeignError as error:
        return PluginStatus(source, "broken", f"import failed: {error}; {_mend(source)}", failed_at=error.place)
    return _register(module, replace(source, file=file if isinstance(file, str) else None))


_LOCAL: dict[str, str | None] = {}
"""SHA-256 of the single-file plugins this process has loaded, by module name."""


def _load_local(path: Path) -> PluginStatus:
    if not path.is_file():
        raise PluginError(f"plugins.local: there is no file {path}")
    try:
        source = local_source(path)
    except OSError as error:
        raise PluginError(f"plugins.local: {path} cannot be read: {error.strerror}") from error
    known = sys.modules.get(path.stem)
    copied = _LOCAL.get(path.stem) == source.sha256  # as a run keeps it: the very code that is loaded already
    if (
        known is not None
        and not copied
        and Path(getattr(known, "__file__", None) or "").resolve() != path.resolve()
    ):
        raise PluginError(f"plugins.local: {path} would hide the module {path.stem!r}; rename the file")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise PluginError(f"plugins.local: {path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        with foreign_code():
            spec.loader.exec_module(module)
    except ForeignError as error:
        sys.modules.pop(path.stem, None)
        # The spec names this very file, so unlike an installed bystander its failure stops the run.
        raise PluginError(f"plugins.local: {path}: import failed: {error}") from error
    _LOCAL[path.stem] = source.sha256
    # A plugin may put something else in its own place, as an import would return it.
    status = _register(sys.modules.get(path.stem, module), source)
    if status.status != "ok":
        raise PluginError(f"plugins.local: {path}: {status.error}")
    return status


def _register(module: object, source: Source) -> PluginStatus:
    """Check the API version, then ask the module's hooks what it offers."""
    if not isinstance(module, ModuleType):
        return PluginStatus(source, "broken", "the entry point names an object; it must name a module")
    try:
        with foreign_code():
            version = getattr(module, "E1BIND_API", None)
    except ForeignError as error:
        fault = f"E1BIND_API cannot be read: {error}; {_mend(source)}"
        return PluginStatus(source, "broken", fault, failed_at=error.place)
    if refusal := api_fault(version, source):
        return PluginStatus(source, "incompatible", refusal)
    try:
        with foreign_code():
            components = tuple(Component(plugin, source) for plugin in _offered(module))
    except ForeignError as error:
        return PluginStatus(source, "broken", f"{error}; {_mend(source)}", failed_at=error.place)
    return PluginStatus(source, "ok", components=components, warning=api_warning(version, source))


def _offered(module: ModuleType) -> Iterator[ComponentPlugin]:
    """The descriptors of every hook. Raises what the hooks raise, and `TypeError` or `ValueError` for bad ones."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(module)
    manager.check_pending()
    refuse_forgotten(module, (plugin_type.hook for plugin_type in PLUGIN_TYPES.values()))
    for kind, plugin_type in PLUGIN_TYPES.items():
        # Each function is called by itself: calling through the manager drops a None, which a list is meant to be.
        for implementation in getattr(manager.hook, plugin_type.hook).get_hookimpls():
            offered = implementation.function()
            if not isinstance(offered, Iterable):
                wanted = f"it must return a list of {plugin_type.__name__} objects"
                raise TypeError(f"{plugin_type.hook} returned {offered!r}; {wanted}")
            for plugin in offered:
                yield _checked(plugin, kind)


def _mend(source: Source) -> str:
    if source.distribution == "local":
        return "correct the file"
    return f"correct or update the package, or remove it (pip uninstall {source.distribution})"


def _checked(plugin: object, kind: str) -> ComponentPlugin:
    expected = PLUGIN_TYPES[kind]
    if not isinstance(plugin, expected):
        raise TypeError(f"{expected.hook} returned {plugin!r}; it must return {expected.__name__} objects")
    if not _NAME.fullmatch(plugin.name):
        raise ValueError(f"component name {plugin.name!r} is not lower-case words joined by '-'")
    for role in ("target", "options"):
        if not _PATH.fullmatch(getattr(plugin, role)):
            raise ValueError(f"{kind} {plugin.name}: {role} {getattr(plugin, role)!r} is not 'module:Name'")
    return plugin


def _missing_requirements(requirements: Sequence[str], index: PluginIndex) -> list[str]:
    if not requirements:
        return []
    # Its parser takes as long to import as the rest of this room, and few runs require anything.
    from packaging.requirements import InvalidRequirement, Requirement

    problems = []
    # Of a distribution that is there several times (a leftover of another installation), a usable one counts.
    by_name = {p.source.distribution: p for p in sorted(index.plugins, key=lambda p: p.status == "ok")}
    for text in requirements:
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            problems.append(f"plugins.require: {text!r} is not a version requirement: {error}")
            continue
        plugin = by_name.get(canonicalize_name(requirement.name))
        install = f"install it with: pip install {shlex.quote(text)}"
        if plugin is None:
            problems.append(f"plugins.require: no e1bind plugin {requirement.name!r} is installed; {install}")
        elif plugin.status == "broken":  # perhaps without a version that could be compared
            problems.append(f"plugins.require: {plugin.source.label()} is broken: {plugin.error}")
        elif not requirement.specifier.contains(plugin.source.version, prereleases=True):
            problems.append(f"plugins.require: {text!r} is wanted, {plugin.source.label()} is installed; {install}")
        elif plugin.status != "ok":
            problems.append(f"plugins.require: {plugin.source.label()} is {plugin.status}: {plugin.error}")
    return problems
