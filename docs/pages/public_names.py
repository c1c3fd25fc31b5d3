"""The public names of the four modules that plugins are written against, with their docstrings."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterable
from types import ModuleType

from pages.markdown import fenced

TITLES = {
    "e1bind.plugins": "The plugin host: a plugin module needs the descriptors and `hookimpl`.",
    "e1bind.spec": "Options models, and run specs from Python.",
    "e1bind.scoring": "The one scoring function.",
    "e1bind.testing": "The conformance kit; [its checks](../plugin-kit.md).",
}
CONTRACTS = """\
# Contracts

What components exchange, and what one of each kind must do. Import all of it from `e1bind.contracts`, which needs
no torch. A component is built as `target(options)`.

"""


def contracts() -> str:
    """The page of `e1bind.contracts`, one section for each of its files."""
    package = importlib.import_module("e1bind.contracts")
    text = CONTRACTS
    for file in sorted({_home(package, name) for name in package.__all__}):
        module = importlib.import_module(file)
        summary, _, legend = (inspect.getdoc(module) or "").partition("\n\n")
        text += f"## {file.rpartition('.')[2].capitalize()}\n\n{summary}\n\n"
        text += f"{legend}\n\n" if legend else ""
        text += _directives(package, [name for name in package.__all__ if _home(package, name) == file])
    return text


def public_names() -> str:
    """The page of the other three, and of `e1bind.scoring`."""
    text = "# Python\n\n[What stays as it is](../plugin-api.md). [Contracts](contracts.md) have their own page.\n\n"
    for path, title in TITLES.items():
        module = importlib.import_module(path)
        text += f"## {path}\n\n{title}\n\n{_directives(module, names_of(module))}"
    return text


def names_of(module: ModuleType) -> list[str]:
    """What the module says is public; without `__all__` the functions, classes and constants of its own."""
    own = [name for name, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__]
    return sorted(getattr(module, "__all__", [name for name in own if not name.startswith("_")]))


def _home(package: ModuleType, name: str) -> str:
    """The file a public name of the package is written in; that of residues and views for their constants."""
    value = getattr(package, name)
    if inspect.isclass(value):
        return str(value.__module__)
    files = (m for m in vars(package).values() if inspect.ismodule(m) and m.__name__.startswith(package.__name__))
    return next(m.__name__ for m in files if vars(m).get(name) is value and f"\n{name} = " in inspect.getsource(m))


def _directives(module: ModuleType, names: Iterable[str]) -> str:
    return fenced("{eval-rst}", "".join(_directive(module, name) for name in names)) + "\n"


def _directive(module: ModuleType, name: str) -> str:
    value, path = getattr(module, name), f"{module.__name__}.{name}"
    if inspect.isclass(value):
        return f".. autoclass:: {path}\n   :members:\n   :undoc-members:\n   :member-order: bysource\n\n"
    return f".. {'autofunction' if inspect.isroutine(value) else 'autodata'}:: {path}\n\n"
