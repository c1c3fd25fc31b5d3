"""Model cards: what an adapter or a merged checkpoint is, for whoever finds it without the run.

A fold's card says nothing of when, where and under which name the run was made: the same fold is the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from e1bind.files.text import one_line, without_folders
from e1bind.files.writing import atomic_write_text
from e1bind.runs.layout import FoldDir, RunDir
from e1bind.runs.result_dirs import MergedDir
from e1bind.runs.schemas import Summary

_TEMPLATES = Environment(
    loader=PackageLoader("e1bind.runs", "templates"), undefined=StrictUndefined, keep_trailing_newline=True
)
TAGS = ("e1bind", "protein", "metal-binding")


@dataclass(frozen=True)
class BackboneCard:
    """A backbone in words. `checkpoint`: what it was read from; None for random weights. `licence`: "" if unknown.

    `module`, `model_class`: where the model's class is to be had, which reads checkpoints.
    """

    description: str
    checkpoint: str | None
    licence: str
    module: str
    model_class: str

    @property
    def hub_name(self) -> str | None:
        """The checkpoint's name, where it is no folder of this machine's."""
        local = self.checkpoint is None or Path(self.checkpoint).is_absolute() or Path(self.checkpoint).exists()
        return None if local else self.checkpoint

    def values(self) -> dict[str, Any]:
        """What both templates say of it."""
        licence = f"{self.licence}." if self.licence and not self.licence.endswith(".") else self.licence
        return {
            "backbone": without_folders(self.description),
            "licence": licence,
            "module": self.module,
            "model_class": self.model_class,
            "random_weights": self.checkpoint is None,
        }


@dataclass(frozen=True)
class IonData:
    """Chains, labelled residues and binding residues of an ion, of those trained on and those held out."""

    ion: str
    train: tuple[int, int, int]
    held_out: tuple[int, int, int]


@dataclass(frozen=True)
class FoldCard:
    """A fold's adapter. `figures[ion]`: metrics of the chains held out, at the best epoch; None where undefined."""

    fold: int
    folds: int
    best_epoch: int
    epochs: int
    monitor: str
    adapter: str
    data: Sequence[IonData]
    figures: Mapping[str, Mapping[str, float | None]]


def write_fold_card(folder: FoldDir, card: FoldCard, backbone: BackboneCard) -> None:
    """Describe a fold's adapter, in its folder."""
    metrics = list(next(iter(card.figures.values())))
    if backbone.checkpoint is None:
        base = "...  # random weights, which e1bind makes anew from their seed"
    else:
        base = f"{backbone.model_class}.from_pretrained({without_folders(backbone.checkpoint)!r})"
    front = {"library_name": "peft", "base_model": backbone.hub_name, "tags": [*TAGS, "lora"]}
    values = {
        **{key: value for key, value in asdict(card).items() if key != "figures"},
        **backbone.values(),
        "front": _front(front),
        "ions": [one_line(row.ion) for row in card.data],
        "metrics": [one_line(name) for name in metrics],
        "figures": [_row(ion, [of[name] for name in metrics]) for ion, of in card.figures.items()],
        "base": base,
    }
    atomic_write_text(folder.card, _TEMPLATES.get_template("adapter.md.jinja").render(**values))


def write_merged_card(folder: MergedDir, run: RunDir, summary: Summary, fold: int, backbone: BackboneCard) -> None:
    """Describe a merged checkpoint, in its folder."""
    metrics = summary.metric_names
    rows = [
        {
            **_row(ion, [of.metrics[name] for name in metrics]),
            "counts": [summary.data[ion].proteins, summary.data[ion].positives],
            "threshold": f"{of.threshold:.4g}",
        }
        for ion, of in summary.oof.items()
    ]
    front = {"library_name": "transformers", "base_model": backbone.hub_name, "tags": list(TAGS)}
    values = {
        **backbone.values(),
        "front": _front(front),
        "run_id": run.run_id,
        "fold": fold,
        "folds": max(row.fold for row in summary.folds),
        "ions": [one_line(ion) for ion in summary.ions],
        "metrics": [one_line(name) for name in metrics],
        "figures": rows,
        "heads": folder.heads.name,
        "thresholds": run.thresholds.name,
    }
    atomic_write_text(folder.card, _TEMPLATES.get_template("merged.md.jinja").render(**values))


def _front(table: Mapping[str, Any]) -> str:
    """The card's head, which the hub reads."""
    return yaml.safe_dump({key: value for key, value in table.items() if value is not None}, sort_keys=False)


def _row(ion: str, values: Sequence[float | None]) -> dict[str, Any]:
    shown = ["-" if value is None or math.isnan(value) else f"{value:.3f}" for value in values]
    return {"ion": one_line(ion), "values": shown}
