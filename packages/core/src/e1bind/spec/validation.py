"""From a raw table to a `RunSpec`, with every problem reported at once and nothing heavy imported."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from e1bind.errors import MAX_SHOWN, PluginError, Problem, SpecError
from e1bind.plugins import PluginIndex, PluginPolicy, discover
from e1bind.spec.crosschecks import Parts, cross_check
from e1bind.spec.limits import value_problems
from e1bind.spec.loading import SET, RawSpec, load_raw
from e1bind.spec.named_files import missing_files
from e1bind.spec.options import Options
from e1bind.spec.problems import did_you_mean, validate_options
from e1bind.spec.runspec import SCHEMA_VERSION, Chosen, RunSpec
from e1bind.spec.sections import (
    ASSUMED,
    COMPONENT_TABLES,
    HOST_SECTIONS,
    MIXED,
    SINGLE_CHOICE,
    BaselinesSection,
    LoraSection,
    MetricsSection,
    PluginsSection,
    PrototypesSection,
)
from e1bind.spec.training import TrainingSection

HOST_KEYS: dict[str, tuple[str, ...]] = {"loss": ("weight", "use")}
"""Keys of a component's table that belong to the host, by kind; `use` alone for the other kinds."""

RESERVED = "run"
"""What a run is called beside its baselines: no table of a baseline can have the name."""
NO_CALIBRATION = "none"
"""What `metrics.calibration` says where there is none."""
MAX_COMPONENTS = 100
"""Losses, or metrics, of one run."""


def load_spec(path: Path, overrides: Sequence[str] = (), splits: Collection[str] = ()) -> RunSpec:
    """Read, merge and validate a spec file. Raises `SpecError` with all problems.

    `splits`, "train" or "test" or both: the files of these must be there, and all else that a run reads.
    """
    return validate_spec(load_raw(path, overrides), splits=splits)


def validate_spec(
    raw: RawSpec,
    index: PluginIndex | None = None,
    local: Sequence[Path] | None = None,
    splits: Collection[str] = (),
) -> RunSpec:
    """Validate a raw spec; plugins are discovered as its `[plugins]` table says unless an index is given.

    `local`: where its single-file plugins stand now, if not where the table says. `splits`: as in `load_spec`.
    """
    return _Validation(raw, index, local).run(splits)


def policy_of(section: PluginsSection, local: Sequence[Path] | None = None) -> PluginPolicy:
    """Discovery as a `[plugins]` table wants it, with its single files from `local` if given."""
    return PluginPolicy(
        require=section.require, block=section.block, local=section.local if local is None else local
    )


def plugin_policy(raw: RawSpec) -> PluginPolicy:
    """The policy of a spec that may have problems elsewhere. Raises `SpecError` for those of `[plugins]`."""
    section, problems = validate_options(
        PluginsSection, raw.table.get("plugins", {}), "plugins", {"base_dir": raw.base_dir}
    )
    if not isinstance(section, PluginsSection):
        raise SpecError(raw.source, problems)
    return policy_of(section)


def chosen_alone(name: str, table: Mapping[str, Any], index: PluginIndex) -> Chosen | None:
    """The one component of a table `name` of a resolved spec; None for an empty one. Raises `SpecError`."""
    alone = _Validation(RawSpec("resolved spec", Path.cwd(), {name: dict(table)}), index, None)
    found = alone.keyed(name)
    if alone.problems:
        raise SpecError(alone.raw.source, alone.problems)
    return next(iter(found.values()), None)


class _Validation:
    """One pass over a raw spec; problems pile up in `problems`."""

    def __init__(self, raw: RawSpec, index: PluginIndex | None, local: Sequence[Path] | None) -> None:
        self.raw, self.local = raw, local
        self.problems: list[Problem] = []
        self.context: Mapping[str, Any] = {"base_dir": raw.base_dir}
        self.index = index

    def run(self, splits: Collection[str]) -> RunSpec:
        if problems := value_problems(self.raw.table):
            raise SpecError(self.raw.source, problems)
        self._check_top_level()
        sections = {name: self._section(name) for name in HOST_SECTIONS}
        self.index = self.index or self._discover(sections["plugins"])
        single = {table: self._single_choice(table) for table in SINGLE_CHOICE}
        losses = self._keyed("losses", self._table("losses"))
        metrics = self._metrics(sections["metrics"])
        baselines = self._baselines(sections["baselines"])
        trackers = self._keyed("trackers", self._table("trackers"))
        calibration = self._calibration(sections)
        if not losses and not self._has_problem("losses"):
            self.problems.append(Problem("losses", "no loss is named; add for example [losses.prototype-bce]"))
        components = {"losses": losses, "metrics": metrics, "baselines": baselines, "trackers": trackers}
        components["calibration"] = {calibration.label: calibration} if calibration else {}
        valid = self._parts(sections, single, components)
        self.problems += cross_check(valid)
        if splits:
            self.problems += self._missing_files(sections, valid.components, splits)
        if self.problems:
            raise SpecError(self.raw.source, self.problems)
        # Without problems every part is there, which a type checker cannot know.
        parts: dict[str, Any] = {
            **sections,
            **single,
            "losses": losses,
            "trackers": trackers,
            "calibration": calibration,
        }
        parts |= {"metric_components": metrics, "baseline_components": baselines}
        return RunSpec(**parts, index=self.index, raw=self.raw)

    def keyed(self, name: str) -> dict[str, Chosen]:
        """The components of a table, by label."""
        return self._keyed(name, self._table(name))

    def _parts(
        self,
        sections: Mapping[str, Options | None],
        single: Mapping[str, Chosen | None],
        keyed: Mapping[str, Mapping[str, Chosen]],
    ) -> Parts:
        """What is valid so far, for the checks between tables."""
        components = {f"{table}.{c.label}": c for table, c in single.items() if c is not None}
        for table, chosen in keyed.items():
            components |= {f"{table}.{label}": c for label, c in chosen.items()}
        prototypes, lora = sections["prototypes"], sections["lora"]
        tables_in_trouble = any(self._has_problem(table) for table in COMPONENT_TABLES)
        return Parts(
            components,
            prototypes if isinstance(prototypes, PrototypesSection) else None,
            lora if isinstance(lora, LoraSection) else None,
            complete=not tables_in_trouble and not self._has_problem("plugins"),
        )

    def _missing_files(
        self, sections: Mapping[str, Options | None], components: Mapping[str, Chosen], splits: Collection[str]
    ) -> list[Problem]:
        """Files that valid parts of the spec name, and that are not there."""
        training, cv = sections["training"], sections["cv"]
        ions = training.ions if isinstance(training, TrainingSection) else []
        return missing_files({} if cv is None else {"cv": cv}, components, ions, splits)

    def _check_top_level(self) -> None:
        known = {"schema_version", "extends", *HOST_SECTIONS, *COMPONENT_TABLES}
        for key, value in self.raw.table.items():
            if key not in known:
                # Suggestions take time, and no more problems than these are shown.
                hint = did_you_mean(key, known) if len(self.problems) < MAX_SHOWN else ""
                self.problems.append(Problem(key, f"unknown table{hint}"))
            elif key != "schema_version" and not isinstance(value, dict):
                self.problems.append(Problem(key, "must be a table"))
        version = self.raw.table.get("schema_version")
        if version != SCHEMA_VERSION or isinstance(version, bool):
            found = "is required" if version is None else f"is {version!r}"
            self.problems.append(Problem("schema_version", f"{found}; this e1bind reads schema_version = 1"))

    def _table(self, name: str) -> dict[str, Any]:
        table = self.raw.table.get(name, {})
        return table if isinstance(table, dict) else {}

    def _section(self, name: str) -> Options | None:
        table = self._table(name)
        if name in MIXED:
            table = {k: v for k, v in table.items() if k not in self._own_tables(name)}
        options, problems = validate_options(HOST_SECTIONS[name], table, name, self.context)
        self.problems += problems
        return options

    def _discover(self, section: Options | None) -> PluginIndex:
        options = section if isinstance(section, PluginsSection) else PluginsSection()
        try:
            return discover(policy_of(options, self.local))
        except PluginError as error:
            self.problems += [Problem("plugins", line) for line in str(error).splitlines()]
            return discover(PluginPolicy(strict=False))

    def _single_choice(self, name: str) -> Chosen | None:
        table = self._table(name)
        kind = COMPONENT_TABLES[name]
        if not table and name in ASSUMED and not self._has_problem(name):
            table = {ASSUMED[name]: {}}
        if len(table) == 1:
            return next(iter(self._keyed(name, table).values()), None)
        known = ", ".join(sorted({c.name for c in self._index.components(kind)}))
        if table:
            shown = [f"[{name}.{key}]" for key in islice(table, 10)]
            names = ", ".join([*shown, "..."] if len(table) > len(shown) else shown)
            self.problems.append(Problem(name, f"must hold exactly one table, not {len(table)}: {names}"))
        elif not self._has_problem(name):
            self.problems.append(Problem(name, f"is required: one table [{name}.NAME], NAME one of {known}"))
        return None

    def _own_tables(self, name: str) -> dict[str, Any]:
        """The components' tables among the host's own keys of a table."""
        fields = HOST_SECTIONS[name].model_fields
        return {k: v for k, v in self._table(name).items() if isinstance(v, dict) and k not in fields}

    def _metrics(self, section: Options | None) -> dict[str, Chosen]:
        """Metrics with a table of their own, then those named by `compute` and `monitor`."""
        if not isinstance(section, MetricsSection):
            return self._listed("metrics", {})
        return self._listed("metrics", {"compute": section.compute, "monitor": [section.monitor]})

    def _baselines(self, section: Options | None) -> dict[str, Chosen]:
        """Baselines with a table of their own, then those named by `compute`."""
        if RESERVED in self._own_tables("baselines"):
            self.problems.append(Problem(f"baselines.{RESERVED}", "is what the run itself is called; take another"))
        return self._listed(
            "baselines", {"compute": section.compute} if isinstance(section, BaselinesSection) else {}
        )

    def _calibration(self, sections: dict[str, Options | None]) -> Chosen | None:
        """What `metrics.calibration` names, or the one table there is; the section then says its label."""
        section, table = sections["metrics"], self._table("calibration")
        found = self._keyed("calibration", table)
        if len(table) > 1:
            self.problems.append(Problem("calibration", f"holds {len(table)} tables; at most one is allowed"))
        if not isinstance(section, MetricsSection):
            return None
        named = section.calibration
        if table and "calibration" not in self._table("metrics"):
            named = next(iter(table))
            sections["metrics"] = section.model_copy(update={"calibration": named})
        if named == NO_CALIBRATION or self._has_problem("calibration"):
            return None
        if table and named not in table:
            said = f"is {named!r}, but the table there is [calibration.{next(iter(table))}]"
            self.problems.append(Problem("metrics.calibration", said))
            return None
        return found.get(named) or self._component("calibration", named, {}, "metrics.calibration")

    def _listed(self, name: str, lists: Mapping[str, Sequence[str]]) -> dict[str, Chosen]:
        """Components with a table below `name`, then those that a list (by its key) names."""
        own = self._own_tables(name)
        chosen = self._keyed(name, own)
        for key, names in lists.items():
            for label in names:
                if label not in chosen and label not in own and not self._has_problem(f"{name}.{label}"):
                    found = self._component(name, label, {}, f"{name}.{key}")
                    chosen |= {label: found} if found else {}
        return chosen

    def _keyed(self, name: str, table: Mapping[str, Any]) -> dict[str, Chosen]:
        if len(table) > MAX_COMPONENTS:
            self.problems.append(Problem(name, f"holds {len(table)} tables; at most {MAX_COMPONENTS} are allowed"))
            return {}
        found = {label: self._component(name, label, own, f"{name}.{label}") for label, own in table.items()}
        return {label: chosen for label, chosen in found.items() if chosen is not None}

    def _component(self, table_name: str, label: str, table: object, path: str) -> Chosen | None:
        kind = COMPONENT_TABLES[table_name]
        if not isinstance(table, dict):
            self.problems.append(Problem(path, f"must be a table: write [{path}]"))
            return None
        options = dict(table)
        host_keys = HOST_KEYS.get(kind, ("use",))
        use = options.pop("use", label)
        if not isinstance(use, str):
            self.problems.append(Problem(f"{path}.use", "must be the name of a component"))
            return None
        weight = self._weight(options.pop("weight", 1.0), path) if "weight" in host_keys else 1.0
        try:
            component = self._index.get(kind, str(use))
            model = component.load_options()
        except PluginError as error:
            self.problems.append(Problem(path if use == label else f"{path}.use", str(error)))
            return None
        options = self._without_replaced(options, model, (table_name, label))
        valid, problems = validate_options(model, options, path, self.context, host_keys)
        self.problems += problems
        return None if valid is None else Chosen(label, component, valid, weight)

    def _without_replaced(
        self, options: dict[str, Any], model: type[Options], at: tuple[str, ...]
    ) -> dict[str, Any]:
        """`options` without what an alternative on the command line takes the place of."""
        overridden = {key for key in options if self.raw.origins.get((*at, key), "").startswith(SET)}
        replaced = {key for keys in model.alternatives if keys & overridden for key in keys - overridden}
        return {key: value for key, value in options.items() if key not in replaced}

    def _weight(self, value: object, path: str) -> float:
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf"):
            return float(value)
        self.problems.append(Problem(f"{path}.weight", f"must be a number of at least 0, not {value!r}"))
        return 0.0

    @property
    def _index(self) -> PluginIndex:
        if self.index is None:
            raise RuntimeError("plugins are discovered before components are looked up")
        return self.index

    def _has_problem(self, path: str) -> bool:
        return any(p.path == path or p.path.startswith(path + ".") for p in self.problems)
