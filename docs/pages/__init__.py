"""The reference pages: written from the code whenever the site is built, and kept nowhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pages.commands import commands
from pages.components import components, page_names
from pages.hooks import hooks
from pages.known_plugins import known_plugins
from pages.public_names import contracts, public_names
from pages.spec_tables import spec_tables

PAGES: dict[str, Callable[[], str]] = {
    "commands": commands,
    "spec": spec_tables,
    **{name: lambda kind=kind: components(kind) for kind, name in page_names().items()},
    "hooks": hooks,
    "contracts": contracts,
    "python": public_names,
    "known-plugins": known_plugins,
}
"""Name of each page below `reference/` -> what writes it, as Markdown."""


def write(folder: Path) -> None:
    """Write every page into `folder`; one that is as it was keeps its time, so that it is not built again."""
    folder.mkdir(exist_ok=True)
    for name, page in PAGES.items():
        text, file = page(), folder / f"{name}.md"
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")
