"""Resolved specs that were frozen before a key existed: what its absence means.

A key that is added to the spec later gets a line here, with the value that does what was done before there was one,
so that runs made earlier go on as they were begun, whatever the default for new runs is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_HEAD = {"prototype": {"use": "e1bind-core/prototype"}}
_LATER: dict[str, Mapping[str, Any]] = {
    "lora": {"enabled": True, "use_rslora": False, "use_dora": False, "fused": False},
    "prototypes": {"match_rate": False},
    "baselines": {"compute": [], "max_residues": 400_000},
}
_LATER_OF_READERS = {"msa": "optional"}
_READERS = tuple(f"e1bind-core/{name}" for name in ("fasta3", "table", "uniprot", "biolip"))

LATER_COMPONENTS = ("head.prototype", "calibration.platt", "calibration.isotonic")
"""Paths of components that runs did not list among their plugins before their kind existed."""

MOVED_TARGETS = {"e1bind.data.fasta3:Fasta3Reader": "e1bind.readers.fasta3:Fasta3Reader"}
"""Where a component of e1bind was, as older runs have it, and where the same one is now."""


def completed(table: Mapping[str, Any]) -> dict[str, Any]:
    """A resolved spec with what was left out because it did not exist when it was written."""
    method = dict(table.get("metrics", {})).get("calibration", "none")
    calibrations = {} if method == "none" else {str(method): {"use": f"e1bind-core/{method}"}}
    filled = {"calibration": calibrations, **table}
    filled = {**filled, "head": table.get("head", _HEAD), "trackers": table.get("trackers", {})}
    for name, keys in _LATER.items():
        own = filled.get(name, {})
        filled[name] = {**keys, **own} if isinstance(own, Mapping) else own
    data = filled.get("data")
    if isinstance(data, Mapping):
        filled["data"] = {name: _completed_reader(own) for name, own in data.items()}
    return filled


def _completed_reader(table: Any) -> Any:
    ours = isinstance(table, Mapping) and table.get("use") in _READERS
    return {**_LATER_OF_READERS, **table} if ours else table
