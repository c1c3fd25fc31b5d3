"""The components that ship with e1bind, a page for each kind: what `e1bind describe` says of each."""

from __future__ import annotations

from functools import cache

from e1bind.plugins import Component, PluginIndex, PluginPolicy, discover
from e1bind.plugins.descriptors import PLUGIN_TYPES
from e1bind.spec.sections import COMPONENT_TABLES
from e1bind_cli.component_details import details_of
from pages.markdown import code, fenced, table


@cache
def shipped() -> PluginIndex:
    """What comes with e1bind, whatever else is installed where the site is built."""
    return discover(PluginPolicy(allow=()))


def page_names() -> dict[str, str]:
    """Kind -> name of its page: the plural."""
    return {kind: kind.replace("_", "-") + ("es" if kind.endswith("s") else "s") for kind in PLUGIN_TYPES}


def components(kind: str) -> str:
    """The page of one kind."""
    title = page_names()[kind].replace("-", " ").capitalize()
    spec_table = next(name for name, of in COMPONENT_TABLES.items() if of == kind)
    contract = PLUGIN_TYPES[kind].__doc__ or ""
    text = [f"# {title}\n", f"{contract} In a spec: `[{spec_table}.NAME]`.\n"]
    return "\n".join([*text, *(_component(c) for c in shipped().components(kind))])


def _component(component: Component) -> str:
    details = details_of(component, component.name)
    lines = [f"## {component.name}\n", f"`{component.full_name}`. {details['summary']}\n"]
    for title in ("needs", "provides"):
        if details[title]:
            lines.append(f"{title.capitalize()}: {', '.join(code(word) for word in details[title])}.\n")
    if details["options"]:
        rows = [(code(o["name"]), o["type"], code(o["default"]), o["description"]) for o in details["options"]]
        lines.append(table(("option", "type", "default", "description"), rows))
    lines.append(fenced("toml", details["example"]))
    return "\n".join(lines)
