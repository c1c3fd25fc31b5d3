"""Every table and key of a run spec that belongs to the host; a component's keys stand on the page of its kind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from e1bind.plugins.descriptors import PLUGIN_TYPES
from e1bind.spec.options import Options
from e1bind.spec.sections import ASSUMED, COMPONENT_TABLES, HOST_SECTIONS, MIXED, SINGLE_CHOICE
from e1bind_cli.component_details import options_of
from pages.components import page_names
from pages.markdown import code, table

TOP = """\
# The run spec

One TOML file. `e1bind init` writes one with every key, `e1bind show SPEC --origins` says which file or option a
value came from, and `e1bind schema` gives editors completion. Paths are relative to the file they stand in.

- `schema_version = 1`: version of this format; required.
- `extends`: a path or a list of paths, the specs this one is laid over. A table is merged with theirs, any other
  value takes the place of theirs.

## Tables of components

A table's name is the component: `[losses.nt-xent]`. `use = "nt-xent"` names it where the table has a name of its
own. A loss also has `weight` (at least 0, default 1.0), its factor in the sum; 0 leaves it out.

"""


def spec_tables() -> str:
    """The page."""
    return TOP + table(("table", "kind", "how many"), _component_rows()) + "".join(_sections())


def _component_rows() -> Iterator[tuple[str, str, str]]:
    pages = page_names()
    for name, kind in COMPONENT_TABLES.items():
        many = "exactly one" if name in SINGLE_CHOICE else "any number, beside the keys below" * (name in MIXED)
        many = {"losses": "at least one", "calibration": "at most one"}.get(name, many or "any number")
        if name in ASSUMED:
            many = f"one; without the table `{ASSUMED[name]}`"
        yield code(f"[{name}.NAME]"), f"[{PLUGIN_TYPES[kind].kind.replace('_', ' ')}]({pages[kind]}.md)", many


def _sections() -> Iterator[str]:
    for name, model in HOST_SECTIONS.items():
        yield from _section(name, model)


def _section(path: str, model: type[Options]) -> Iterator[str]:
    """The heading and the keys of a table, then those of the tables within it."""
    yield f"\n## [{path}]\n\n{_summary(model)}\n\n"
    inner = {name: field.annotation for name, field in model.model_fields.items() if _is_table(field.annotation)}
    rows = [
        (code(o["name"]), o["type"], "" if o["name"] in inner else code(o["default"]), o["description"])
        for o in options_of(model)
    ]
    yield table(("key", "type", "default", "description"), rows)
    done = set()
    for name, section in inner.items():
        if section not in done:
            yield from _section(f"{path}.{name}", section)
        else:
            yield f"\n## [{path}.{name}]\n\nThe same keys as above.\n"
        done.add(section)


def _is_table(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _summary(model: type[Options]) -> str:
    """The docstring, without the name of the table it may begin with."""
    text = " ".join((model.__doc__ or "").split())
    _, colon, rest = text.partition("`: ")
    return (rest[:1].upper() + rest[1:]) if text.startswith("`[") and colon else text
