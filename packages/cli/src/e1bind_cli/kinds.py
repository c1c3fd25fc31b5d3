"""Kinds of components as a command line may write them."""

from __future__ import annotations

ALIASES = {
    "data": "reader",
    "readers": "reader",
    "backbones": "backbone",
    "views": "view_generator",
    "view-generators": "view_generator",
    "losses": "loss",
    "metrics": "metric",
    "heads": "head",
    "baselines": "baseline",
    "calibrations": "calibration",
    "trackers": "tracker",
}
"""The tables of a spec, and plurals."""


def kind_of(word: str) -> str | None:
    """The kind that is meant, e.g. by `losses`, `view-generator` or `views`; None for none."""
    from e1bind.plugins import KINDS  # here: no help text waits for it

    kind = ALIASES.get(word, word.replace("-", "_"))
    return kind if kind in KINDS else None
