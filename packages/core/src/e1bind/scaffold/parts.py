"""The component that is generated for each kind: its names, its imports, and its text out of the templates."""

from __future__ import annotations

from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from e1bind.plugins.descriptors import PLUGIN_TYPES
from e1bind.scaffold.imports import Imports, import_lines
from e1bind.scaffold.names import class_name

TEMPLATES = Environment(
    loader=PackageLoader("e1bind.scaffold", "templates"), undefined=StrictUndefined, keep_trailing_newline=True
)
CONTRACTS, FIELD, OPTIONS = "e1bind.contracts", {"pydantic": ("Field",)}, {"e1bind.spec": ("Options",)}


@dataclass(frozen=True)
class Kind:
    """What differs from kind to kind. `file` is the module of the component, `table` the spec's table."""

    template: str
    file: str
    table: str
    contract: str
    summary: str
    component: Imports
    options: Imports
    needs: str = ""
    provides: str = ""


KINDS: dict[str, Kind] = {
    "loss": Kind(
        template="loss",
        file="loss",
        table="losses",
        contract="LossContract",
        summary="Hinge on how much closer a residue is to its own prototype.",
        component={"torch": ("nn",), CONTRACTS: ("LossOutput",), "e1bind.scoring": ("scored_views",)},
        options=FIELD | OPTIONS,
        needs='{"prototypes"}',
    ),
    "view_generator": Kind(
        template="view-generator",
        file="views",
        table="views",
        contract="ViewGeneratorContract",
        summary="Views that hide residues at random.",
        component={CONTRACTS: ("MASK", "View")},
        options=FIELD | OPTIONS,
    ),
    "backbone": Kind(
        template="backbone",
        file="backbone",
        table="backbone",
        contract="BackboneContract",
        summary="A small convolutional network with random weights.",
        component={
            "numpy": ("as np",),
            "torch": ("", "nn"),
            "torch.nn": ("functional",),
            CONTRACTS: ("MASK", "STANDARD_RESIDUES", "TokenBatch"),
            "e1bind.errors": ("DataError", "UserError"),
        },
        options=FIELD | OPTIONS,
    ),
    "head": Kind(
        template="head",
        file="head",
        table="head",
        contract="HeadContract",
        summary="Similarity to the prototype, with a scale and an offset learned for each ion.",
        component={"math": ("",), "torch": ("", "nn"), "e1bind.scoring": ("scored_views",)},
        options=FIELD | OPTIONS,
        needs='{"loss-on-scores"}',
        provides='{"scores", "prototypes"}',
    ),
    "metric": Kind(
        template="metric",
        file="metric",
        table="metrics",
        contract="MetricContract",
        summary="Youden's index at the threshold.",
        component={"math": ("",), CONTRACTS: ("MetricOutput",)},
        options=FIELD | OPTIONS,
    ),
    "reader": Kind(
        template="reader",
        file="reader",
        table="data",
        contract="ReaderContract",
        summary="One line of id, sequence and labels for each chain.",
        component={
            "pathlib": ("Path",),
            "numpy": ("as np",),
            CONTRACTS: ("STANDARD_RESIDUES", "UNKNOWN", "ResidueRecord"),
            "e1bind.errors": ("DataError",),
        },
        options=FIELD | {"e1bind.spec": ("Options", "SpecPath")},
    ),
    "baseline": Kind(
        template="baseline",
        file="baseline",
        table="baselines",
        contract="BaselineContract",
        summary="How often each residue type binds, rare types drawn towards the mean.",
        component={"numpy": ("as np",), CONTRACTS: ("STANDARD_RESIDUES",)},
        options=FIELD | OPTIONS,
    ),
    "calibration": Kind(
        template="calibration",
        file="calibration",
        table="calibration",
        contract="CalibrationContract",
        summary="The share of binding residues in bins of equal width, made to rise.",
        component={"numpy": ("as np",)},
        options=FIELD | OPTIONS,
    ),
    "tracker": Kind(
        template="tracker",
        file="tracker",
        table="trackers",
        contract="TrackerContract",
        summary="A line of text for each epoch, in a file for each fold.",
        component={},
        options=FIELD | OPTIONS,
    ),
}


@dataclass(frozen=True)
class Part:
    """A component to be generated: its kind, its name, and the modules that hold it and its options."""

    kind: str
    name: str
    module: str
    options_module: str

    @property
    def of(self) -> Kind:
        return KINDS[self.kind]

    @property
    def cls(self) -> str:
        return class_name(self.name)

    @property
    def file(self) -> str:
        return self.of.file

    @property
    def summary(self) -> str:
        return self.of.summary

    @property
    def needs(self) -> str:
        return self.of.needs

    @property
    def provides(self) -> str:
        return self.of.provides

    @property
    def contract(self) -> str:
        return self.of.contract

    @property
    def descriptor(self) -> str:
        return PLUGIN_TYPES[self.kind].__name__

    @property
    def hook(self) -> str:
        return PLUGIN_TYPES[self.kind].hook

    @property
    def target(self) -> str:
        return f"{self.module}:{self.cls}"

    @property
    def options(self) -> str:
        return f"{self.options_module}:{self.cls}Options"

    @property
    def usage(self) -> str:
        """How a spec names it."""
        if self.kind == "metric":
            return f'[metrics]\ncompute = ["auprc", "{self.name}"]'
        return f"[{self.of.table}.{self.name}]"

    @property
    def options_code(self) -> str:
        return self._text("options")

    @property
    def component_code(self) -> str:
        return self._text("component")

    @property
    def component_file(self) -> str:
        """The module of the component, complete."""
        lines = import_lines([self.of.component])
        code = self.component_code
        gap = "\n\n\n" if code.startswith("class") else "\n\n"
        return f'"""{self.summary}"""\n\n' + (f"{lines}{gap}" if lines else "\n") + code

    def _text(self, what: str) -> str:
        template = TEMPLATES.get_template(f"{self.of.template}.{what}.jinja")
        return template.render(cls=self.cls, name=self.name)
