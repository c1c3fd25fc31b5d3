"""The reference pages as the site has them, written by docs/pages."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from pages import PAGES

DOCS = Path(__file__).resolve().parents[1] / "docs"


@cache
def page(name: str) -> str:
    """The Markdown of a reference page."""
    return PAGES[name]()


def rows(text: str) -> dict[str, list[str]]:
    """First cell of each table row, without backticks -> the cells after it. The last of a name wins."""
    found = {}
    for line in text.splitlines():
        if line.startswith("| "):
            cells = [cell.strip() for cell in line.strip("|").split(" | ")]
            found[cells[0].strip("`")] = cells[1:]
    return found


def section(text: str, heading: str) -> str:
    """What stands under `## heading`, or `### heading`, up to the next one."""
    _, *below = re.split(rf"^##+ {re.escape(heading)}$", text, flags=re.M)
    assert below, heading
    return re.split(r"^##+ ", below[0], maxsplit=1, flags=re.M)[0]
