"""The directory of known plugins: docs/plugins.yaml as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from e1bind.plugins import KINDS
from pages.markdown import code, table

FILE = Path(__file__).resolve().parents[1] / "plugins.yaml"
TOP = """\
# Known plugins

Packages that register components, each tried with `e1bind check-plugin` before it stands here. They are their
authors' work: [a plugin is code that runs with your rights](../security.md). How to add yours stands at the head of
`docs/plugins.yaml`.

"""

Text = Annotated[str, Field(min_length=1, pattern=r"^[^\n]+$")]


class KnownPlugin(BaseModel):
    """One entry."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    source: Text
    licence: Text
    summary: Text
    components: Annotated[dict[str, list[Text]], Field(min_length=1)]

    @model_validator(mode="after")
    def _kinds_that_there_are(self) -> KnownPlugin:
        if unknown := sorted(set(self.components) - set(KINDS)):
            raise ValueError(f"{', '.join(unknown)}: a kind is one of {', '.join(KINDS)}")
        return self


def entries(file: Path = FILE) -> list[KnownPlugin]:
    """The entries of the directory. Raises pydantic's `ValidationError`, or `ValueError` for a name given twice."""
    known = TypeAdapter(list[KnownPlugin]).validate_python(yaml.safe_load(file.read_text(encoding="utf-8")))
    names = [plugin.name for plugin in known]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{file.name} has more than one entry of {', '.join(twice)}")
    return known


def known_plugins() -> str:
    """The page."""
    rows = [
        (code(p.name), p.summary, _components(p), p.licence, code(f"pip install {p.source}")) for p in entries()
    ]
    columns = ("package", "what", "components", "licence", "install")
    return TOP + table(columns, sorted(rows))


def _components(plugin: KnownPlugin) -> str:
    named = [(kind.replace("_", " "), name) for kind, names in plugin.components.items() for name in names]
    return ", ".join(f"{kind} {code(name)}" for kind, name in named)
