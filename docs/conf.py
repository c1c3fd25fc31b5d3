"""The documentation site: `uv run sphinx-build docs build/docs`, without a network."""

from __future__ import annotations

import os
import re
import sys
from functools import partial
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import pages  # noqa: E402 - lies beside this file
from pages.docstrings import columns_as_list  # noqa: E402

from e1bind import __version__  # noqa: E402

project, author, release = "e1bind", "the e1bind developers", __version__
extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["pages"]
html_theme = "furo"
html_title = f"e1bind {release}"
html_show_sphinx = html_show_copyright = html_copy_source = False
myst_heading_anchors = 3
default_role = "literal"
autodoc_typehints = "signature"
autodoc_class_signature = "mixed"
python_use_unqualified_type_names = True
# The map of rooms in CONTRIBUTING is held to the imports by a test; here it is text.
highlight_language = "none"


def _prepared(_app: Sphinx, document: str, source: list[str]) -> None:
    """Begin with the README; links that leave docs/ become the name of what they lead to: the site stands alone."""
    if document == "index":
        readme = (HERE.parent / "README.md").read_text(encoding="utf-8")
        source[0] = re.sub(r"\]\((?!\w+:)", "](../", readme) + source[0]
    source[0] = re.sub(r"\[([^\]]+)\]\((\.\./[^)\s]+)\)", partial(_link, (HERE / document).parent), source[0])


def _link(folder: Path, link: re.Match[str]) -> str:
    """A link as it is to be seen from the page in `folder`."""
    text, (path, mark, anchor) = link[1], link[2].partition("#")
    target = Path(os.path.normpath(folder / path))
    if target.is_relative_to(HERE):
        return f"[{text}]({os.path.relpath(target, folder)}{mark}{anchor})"
    name = target.relative_to(HERE.parent).as_posix()
    return f"`{name}`" if text.strip("`") == name else f"{text} (`{name}`)"


def _no_signature(_app: Sphinx, what: str, _name: str, value: Any, *_rest: Any) -> tuple[str, None] | None:
    """A protocol is never called: it has no signature to show."""
    return ("", None) if what == "class" and getattr(value, "_is_protocol", False) else None


def setup(app: Sphinx) -> None:
    """Write the reference before Sphinx looks for pages."""
    app.connect("builder-inited", lambda _: pages.write(HERE / "reference"))
    app.connect("source-read", _prepared)
    app.connect("autodoc-process-docstring", columns_as_list)
    app.connect("autodoc-process-signature", _no_signature)
