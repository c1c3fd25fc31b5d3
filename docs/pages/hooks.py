"""Every hook with its descriptor, and the words that descriptors use of each other."""

from __future__ import annotations

import inspect
import re

from e1bind.plugins import hookspecs
from e1bind.plugins.descriptors import PLUGIN_TYPES
from e1bind.spec.words import KNOWN_WORDS
from pages.components import shipped
from pages.markdown import code, table

TOP = """\
# Hooks and descriptors

A plugin module has `E1BIND_API = 1` and functions with these names under `@hookimpl`, each of which returns a list
of descriptors. [How plugins work](../plugins.md) shows one.

"""
DESCRIPTORS = """
## Descriptors

All of them are keyword-only, frozen dataclasses with the same fields:

```{eval-rst}
.. autoclass:: e1bind.plugins.ComponentPlugin
   :no-index:
```
"""
WORDS = """
## Words of needs and provides

Matched when a spec is validated. A component may need any other word that another component provides.

"""


def hooks() -> str:
    """The page."""
    rows = []
    for kind, descriptor in PLUGIN_TYPES.items():
        summary = inspect.getdoc(getattr(hookspecs, descriptor.hook)) or ""
        rows.append((code(descriptor.hook), code(descriptor.__name__), kind.replace("_", " "), summary))
    text = TOP + table(("hook", "returns", "kind", "what"), rows) + DESCRIPTORS
    for descriptor in PLUGIN_TYPES.values():
        text += f"\n### {descriptor.__name__}\n\nReturned by `{descriptor.hook}`. {inspect.getdoc(descriptor)}\n"
    return text + WORDS + table(("word", "what it is", "provided by", "needed by"), _words())


def _words() -> list[tuple[str, str, str, str]]:
    return [
        (code(word), meaning, _users(word, "provides"), _users(word, "needs"))
        for word, meaning in KNOWN_WORDS.items()
    ]


def _users(word: str, role: str) -> str:
    """The components of e1bind whose descriptors say the word; options of others may add it."""
    said = {c.full_name: {re.split(r">?=", w)[0] for w in getattr(c.plugin, role)} for c in shipped().components()}
    return ", ".join(code(name) for name, words in said.items() if word in words)
