"""The recipe on its page is the one that `init` writes."""

from __future__ import annotations

import tomllib
from pathlib import Path

from e1bind.spec.starter import RECIPE


def test_the_page_shows_the_recipe(root: Path) -> None:
    page = (root / "docs" / "accuracy.md").read_text(encoding="utf-8")
    block = page.split("## The recipe")[1].split("```toml\n")[1].split("```")[0]
    shown = {}
    for table, own in tomllib.loads(block).items():
        shown |= {f"{table}.{k}": v for k, v in own.items()} if table in ("losses", "views") else {table: own}
    assert shown == RECIPE
