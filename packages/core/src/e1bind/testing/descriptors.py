"""Checks of every kind of component: what its descriptor and its options say is true."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from pydantic import BaseModel

from e1bind.engine.contract_faults import built_fault
from e1bind.plugins import discover
from e1bind.spec.problems import validate_options
from e1bind.spec.words import KNOWN_WORDS
from e1bind.testing.check import Broken, Checks, DoesNotApply
from e1bind.testing.processes import in_fresh_processes
from e1bind.testing.subject import Subject

CHECKS = Checks()
EXAMPLE = "has-an-example"


@CHECKS.check("give every field of the options model Field(..., description=...)")
def every_option_is_described(subject: Subject) -> None:
    """Every option has a description, which `describe`, `init` and `schema` show."""
    bare = [name for name, description in _fields(subject.model) if not (description or "").strip()]
    if bare:
        raise Broken(f"has options without a description: {', '.join(bare)}")


def _fields(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, str | None]]:
    for name, field in model.model_fields.items():
        yield path + name, field.description
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _fields(field.annotation, f"{path}{name}.")


@CHECKS.check("move heavy imports out of the plugin and options modules, and out of the package's __init__.py")
def loads_in_a_fresh_process(subject: Subject) -> None:
    """Plugin and options load without torch, transformers, numpy or a network, so that listing stays quick."""
    found = _loaded(subject)
    if found["reached"]:
        raise Broken(f"reaches for the network while it is imported: {', '.join(found['reached'])}")
    if subject.component.source.distribution == "local" and found["heavy"]:
        raise DoesNotApply(f"a single file may hold its component too, and so loads {', '.join(found['heavy'])}")
    if found["heavy"]:
        raise Broken(f"loads {', '.join(found['heavy'])} with its plugin and options modules")


_LOADED: dict[tuple[object, str], dict[str, list[str]]] = {}


def _loaded(subject: Subject) -> dict[str, list[str]]:
    """What loading plugin and options does; asked once for all components of a plugin that share their options."""
    key = subject.component.source, subject.component.plugin.options.partition(":")[0]
    if key not in _LOADED:
        _LOADED[key] = in_fresh_processes(subject, "load")[0]
    return _LOADED[key]


@CHECKS.check("override Options.example(folder), or say with which options to try it (`options`, --set)")
def has_an_example(subject: Subject) -> None:
    """There are valid options to try it with: the given ones, or else the example of its options model."""
    subject.options_in(subject.another_folder())


CHECKS.always = (EXAMPLE,)


@CHECKS.check("derive the options from e1bind.spec.Options and leave its model_config alone")
def unknown_options_are_refused(subject: Subject) -> None:
    """An option that the component does not have is an error, so that a typo cannot pass."""
    stranger = {**subject.options.model_dump(), "no_such_option": 1}
    options, problems = validate_options(subject.model, stranger, "options", {"base_dir": subject.folder})
    if options is not None or not any("no_such_option" in problem.path for problem in problems):
        raise Broken("takes the option no_such_option = 1 without a word")


@CHECKS.check("use types that JSON can hold, and validators that take what they gave")
def options_survive_json(subject: Subject) -> None:
    """Options written into a run as JSON and read again are the same options."""
    table = json.loads(json.dumps(subject.options.model_dump(mode="json")))
    back, problems = validate_options(subject.model, table, "options", {"base_dir": subject.folder})
    if back is None:
        raise Broken(f"has options that are refused once they were JSON: {problems[0].path} {problems[0].message}")
    if back != subject.options:
        raise Broken(f"has options that come back from JSON as {back!r} instead of {subject.options!r}")


@CHECKS.check("correct the word, or name in `provides` of a component of this package what nobody else has")
def needs_are_known_words(subject: Subject) -> None:
    """Every need is one that the host or some component can meet; of any other a spec could never be valid."""
    theirs = {word for c in discover().components() for word in c.plugin.provides}
    known = set(KNOWN_WORDS) | {word.partition("=")[0] for word in theirs}
    strange = sorted(need for need in subject.needed if _name(need) not in known)
    if strange:
        raise Broken(f"needs {', '.join(strange)}, which nothing that is installed provides")


def _name(need: str) -> str:
    at_least = re.fullmatch(r"(?P<name>[a-z0-9-]+)>=\d+", need)
    return at_least["name"] if at_least else need


@CHECKS.check("correct `target`, and give the class what the contract of its kind in e1bind.contracts lists")
def builds(subject: Subject) -> None:
    """The target exists, is built with the options alone, and has the attributes and methods of its kind."""
    if fault := built_fault(subject.component.kind, subject.build()):
        raise Broken(fault)
