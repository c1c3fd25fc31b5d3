"""The spec `e1bind init` writes: every option with default and description, generated so that it stays true."""

from __future__ import annotations

import json
import textwrap
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from e1bind.plugins import PluginIndex, discover
from e1bind.spec.sections import HOST_SECTIONS

_HEAD = """\
#:schema ./e1bind.schema.json
# An e1bind run. Lines that begin with "# " and a key show an option at its default; change what you need.
#   e1bind validate THIS_FILE     is it right?
#   e1bind train THIS_FILE        run it
#   e1bind schema -o e1bind.schema.json     completion in editors
schema_version = 1
"""

RECIPE: dict[str, dict[str, Any]] = {
    "lora": {"r": 16, "alpha": 32, "dropout": 0.0},
    "views.masked": {"num_variants": 2},
    "prototypes": {
        "max_samples": 400,
        "strategy": "mean-difference",
        "center": True,
        "match_rate": True,
        "projector": "linear",
    },
    "losses.nt-xent": {"weight": 0.005},
    "losses.prototype-alignment": {"weight": 0.01},
    "losses.prototype-bce": {"scoring_temperature": 0.1, "label_smoothing": 0.0},
    "losses.mlm": {"weight": 0.1},
    "training": {
        "learning_rate": 4e-4,
        "warmup_epochs": 0.5,
        "epochs": 5,
        "max_tokens": 2048,
        "accum_steps": 1,
    },
    "metrics": {"monitor": "auprc"},
}
"""What was found to work on a pretrained model; docs/accuracy.md tells what was tried."""

_VALUES: dict[str, dict[str, Any]] = {
    "run": {"output_dir": "results"},
    "data.fasta3": {"train": "{ion}_train.fasta"},
    "backbone.e1": {"checkpoint": "Profluent-Bio/E1-150m"},
    **RECIPE,
    "training": {"ions": ["ZN"], **RECIPE["training"]},
}
"""What the starter sets; everything else stands at its default, commented out."""

_COMPONENTS = (
    ("data", "reader", "fasta3"),
    ("backbone", "backbone", "e1"),
    ("views", "view_generator", "masked"),
    ("head", "head", "prototype"),
    ("losses", "loss", "nt-xent"),
    ("losses", "loss", "prototype-alignment"),
    ("losses", "loss", "prototype-bce"),
    ("losses", "loss", "mlm"),
)


def starter_spec(index: PluginIndex | None = None) -> str:
    """A complete, commented spec for the built-in components."""
    index = index or discover()
    parts = [_HEAD, _table("run", HOST_SECTIONS["run"])]
    for table, kind, name in _COMPONENTS:
        component = index.get(kind, name)
        path = f"{table}.{name}"
        parts.append(_table(path, component.load_options(), component.plugin.summary, weight=kind == "loss"))
    parts += [_table(name, model) for name, model in HOST_SECTIONS.items() if name != "run"]
    return "\n".join(parts)


def _table(path: str, model: type[BaseModel], summary: str = "", weight: bool = False) -> str:
    summary = summary or (model.__doc__ or "").partition(": ")[2]
    lines = [*_comment(summary), f"[{path}]"]
    if weight:
        lines.append(f"weight = {_VALUES.get(path, {}).get('weight', 1.0)}")
    nested = []
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            nested.append(_table(f"{path}.{name}", field.annotation, field.description or ""))
            continue
        lines += _comment(field.description or "")
        lines.append(_line(name, field, _VALUES.get(path, {})))
    return "\n".join([*lines, "", *nested])


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(text, 100)]


def _line(name: str, field: Any, values: dict[str, Any]) -> str:
    if name in values:
        return f"{name} = {_toml(values[name])}"
    if field.default in (None, PydanticUndefined):
        return f"# {name} ="
    return f"# {name} = {_toml(field.default)}"


def _toml(value: Any) -> str:
    # For strings, numbers, booleans and lists of them JSON is TOML; tables of defaults never come here.
    return json.dumps(value, default=str)
