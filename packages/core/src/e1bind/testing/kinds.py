"""Which checks there are for each kind of component. They are imported when they are asked for: they load torch."""

from __future__ import annotations

import importlib
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from e1bind.testing.check import Check

_MODULES: dict[str, tuple[str, ...]] = {
    "loss": ("losses", "loss_needs"),
    "view_generator": ("views",),
    "backbone": ("backbones", "backbone_training"),
    "metric": ("metrics",),
    "head": ("heads",),
    "baseline": ("baselines",),
    "reader": ("readers",),
    "calibration": ("calibrations",),
    "tracker": ("trackers",),
}


@cache
def checks_of(kind: str) -> tuple[Check, ...]:
    """Every check of a kind of component, those of all kinds first."""
    modules = ("descriptors", *_MODULES[kind])
    found = [importlib.import_module(f"e1bind.testing.{name}") for name in modules]
    return tuple(check for module in found for check in module.CHECKS.all)
