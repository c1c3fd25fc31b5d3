"""A validated run spec: the host's sections and the chosen components with their options."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e1bind.plugins.index import Component, PluginIndex
from e1bind.spec.loading import RawSpec
from e1bind.spec.options import Options
from e1bind.spec.sections import (
    HOST_SECTIONS,
    BaselinesSection,
    CvSection,
    LoraSection,
    MetricsSection,
    MsaSection,
    PluginsSection,
    PrototypesSection,
    RunSection,
)
from e1bind.spec.training import TrainingSection

SCHEMA_VERSION = 1
DEFAULT_SCORING_TEMPERATURE = 0.2


@dataclass(frozen=True)
class Chosen:
    """A component as the spec names it: the label of its table, its options, and (losses only) its weight."""

    label: str
    component: Component
    options: Options
    weight: float = 1.0

    @property
    def needs(self) -> frozenset[str]:
        """What the rest of the run must provide: as the descriptor says, and these options."""
        return frozenset(self.component.plugin.needs) | self.options.requirements()

    @property
    def provides(self) -> frozenset[str]:
        """What it gives to the rest of the run: as the descriptor says, and these options."""
        return frozenset(self.component.plugin.provides) | self.options.capabilities()

    def build(self) -> Any:
        """The component itself, made with its options."""
        return self.component.build(self.options)


@dataclass(frozen=True)
class RunSpec:
    """Everything a run is made of. Built by `e1bind.spec.validate_spec`, never by hand."""

    run: RunSection
    plugins: PluginsSection
    cv: CvSection
    lora: LoraSection
    msa: MsaSection
    prototypes: PrototypesSection
    training: TrainingSection
    metrics: MetricsSection
    baselines: BaselinesSection
    data: Chosen
    backbone: Chosen
    views: Chosen
    head: Chosen
    losses: Mapping[str, Chosen]
    metric_components: Mapping[str, Chosen]
    baseline_components: Mapping[str, Chosen]
    calibration: Chosen | None
    trackers: Mapping[str, Chosen]
    index: PluginIndex
    raw: RawSpec

    @property
    def active_losses(self) -> dict[str, Chosen]:
        """Losses with a weight: a zero weight skips the loss altogether."""
        return {label: chosen for label, chosen in self.losses.items() if chosen.weight > 0}

    @property
    def needs(self) -> frozenset[str]:
        """What the active losses need."""
        return frozenset(need for chosen in self.active_losses.values() for need in chosen.needs)

    @property
    def has_prototypes(self) -> bool:
        """Whether the head scores by prototypes, so that losses may use them."""
        return "prototypes" in self.head.provides

    @property
    def scoring_temperature(self) -> float:
        """The one temperature of all scores; validation has made sure that the losses agree on it."""
        if self.prototypes.scoring_temperature is not None:
            return self.prototypes.scoring_temperature
        stated = [t for _, t in loss_temperatures(self.active_losses)]
        return stated[0] if stated else DEFAULT_SCORING_TEMPERATURE

    def components(self) -> dict[str, Chosen]:
        """Every chosen component by its path in the spec, e.g. `losses.nt-xent`."""
        found = {f"{table}.{c.label}": c for table, c in self._single().items()}
        found |= {f"losses.{label}": c for label, c in self.losses.items()}
        found |= {f"metrics.{label}": c for label, c in self.metric_components.items()}
        found |= {f"baselines.{label}": c for label, c in self.baseline_components.items()}
        found |= {f"calibration.{c.label}": c for c in self._calibrations()}
        return found | {f"trackers.{label}": c for label, c in self.trackers.items()}

    def resolved(self) -> dict[str, Any]:
        """The full spec with every default and null; it validates again to the same run. Paths are absolute."""
        table: dict[str, Any] = {"schema_version": SCHEMA_VERSION}
        for name in HOST_SECTIONS:
            table[name] = getattr(self, name).model_dump(mode="json")
        for name, chosen in self._single().items():
            table[name] = {chosen.label: _component_table(chosen)}
        table["losses"] = {label: _component_table(c) | {"weight": c.weight} for label, c in self.losses.items()}
        table["metrics"] |= {label: _component_table(c) for label, c in self.metric_components.items()}
        table["baselines"] |= {label: _component_table(c) for label, c in self.baseline_components.items()}
        table["calibration"] = {c.label: _component_table(c) for c in self._calibrations()}
        table["trackers"] = {label: _component_table(c) for label, c in self.trackers.items()}
        return table

    def write_resolved(self, path: Path) -> None:
        """Write `resolved()` as JSON."""
        path.write_text(json.dumps(self.resolved(), indent=2) + "\n", encoding="utf-8")

    def _calibrations(self) -> list[Chosen]:
        return [] if self.calibration is None else [self.calibration]

    def _single(self) -> dict[str, Chosen]:
        return {"data": self.data, "backbone": self.backbone, "views": self.views, "head": self.head}


def loss_temperatures(losses: Mapping[str, Chosen]) -> list[tuple[str, float]]:
    """(label, scoring temperature) of the losses whose options have one."""
    return [
        (label, float(temperature))
        for label, chosen in losses.items()
        if (temperature := getattr(chosen.options, "scoring_temperature", None)) is not None
    ]


def _component_table(chosen: Chosen) -> dict[str, Any]:
    return {"use": chosen.component.full_name, **chosen.options.model_dump(mode="json")}
