"""Kinds of components as a command line may write them."""

from __future__ import annotations

from e1bind.plugins import KINDS
from e1bind.spec.sections import COMPONENT_TABLES

ALIASES = {**COMPONENT_TABLES, "backbones": "backbone", "readers": "reader", "view-generators": "view_generator"}
"""The tables of a spec, and plurals."""


def kind_of(word: str) -> str | None:
    """The kind that is meant, e.g. by `losses`, `view-generator` or `views`; None for none."""
    kind = ALIASES.get(word, word.replace("-", "_"))
    return kind if kind in KINDS else None
