"""What a new plugin and its components may be called."""

from __future__ import annotations

import keyword
import re
import sys

from packaging.utils import canonicalize_name

from e1bind.errors import UserError
from e1bind.plugins import discover
from e1bind.plugins.index import FIRST_PARTY

COMPONENT_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_LONGEST = 60


def check_distribution(name: str) -> str:
    """The module of a package called `name`. Raises `UserError` where it cannot be called that."""
    normal = canonicalize_name(name)
    if not COMPONENT_NAME.fullmatch(name) or name != normal:
        near = f", for example {normal}" if COMPONENT_NAME.fullmatch(normal) else ""
        raise UserError(f"{name!r} is no normal name of a package (PEP 503): lower-case words joined by '-'{near}")
    if name in FIRST_PARTY or name.startswith("e1bind-"):
        raise UserError(f"{name!r}: names that begin with e1bind are the project's own; choose another one")
    module = name.replace("-", "_")
    if len(name) > _LONGEST or not module.isidentifier() or keyword.iskeyword(module):
        raise UserError(f"{name!r} makes no module name that can be imported ({module}); choose another name")
    if module in sys.stdlib_module_names or module in ("torch", "numpy", "pydantic", "pluggy"):
        raise UserError(f"{name!r} would hide the module {module!r}; choose another name")
    return module


def check_component(name: str, kind: str) -> None:
    """Raise `UserError` where a component cannot be called `name`, or e1bind has one that is called so."""
    if not COMPONENT_NAME.fullmatch(name):
        raise UserError(f"component name {name!r} is not lower-case words joined by '-'")
    taken = {component.name for component in discover().components(kind) if component.first_party}
    if name in taken:
        raise UserError(f"e1bind has a {kind.replace('_', ' ')} {name!r}, which owns the bare name; choose another")


def component_names(distribution: str, kinds: list[str]) -> dict[str, str]:
    """A name for each kind: the first word of the package's name, and the kind."""
    stem = distribution.split("-")[0]
    return {kind: f"{stem}-{'views' if kind == 'view_generator' else kind}" for kind in kinds}


def class_name(name: str) -> str:
    """`acme-loss` as `AcmeLoss`."""
    joined = "".join(word.capitalize() for word in name.split("-"))
    return joined if joined.isidentifier() else f"My{joined}"
