"""What a plugin says of each of its components: plain frozen data, nothing heavy imported."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar

from e1bind.files.text import control_character

KINDS = ("reader", "backbone", "view_generator", "head", "loss", "metric", "baseline", "calibration", "tracker")


@dataclass(frozen=True, kw_only=True)
class ComponentPlugin:
    """One component.

    name      how a spec calls it; lower case, words joined by "-"
    target    "module:Class", imported when a run builds it
    options   "module:Model", a subclass of `e1bind.spec.Options`, imported when a spec names it
    summary   one sentence for listings
    needs     what the rest of the run must provide, e.g. "prototypes", "mlm-logits", "views>=2"
    provides  what it gives to the rest, e.g. "masked-tokens", "views=4"; options may add to it

    Raises `TypeError` or `ValueError` for a field that is none of these.
    """

    kind: ClassVar[str]
    hook: ClassVar[str]

    name: str
    target: str
    options: str
    summary: str
    needs: frozenset[str] | set[str] = frozenset()
    provides: frozenset[str] | set[str] = frozenset()

    def __post_init__(self) -> None:
        for role in ("name", "target", "options", "summary"):
            value = getattr(self, role)
            if not isinstance(value, str):
                raise TypeError(f"{type(self).__name__}: {role} is {value!r}; it must be a string")
            if control_character(value):
                raise ValueError(f"{type(self).__name__}: {role} is {value!r}; it must be one line of text")
        object.__setattr__(self, "needs", self._words("needs"))
        object.__setattr__(self, "provides", self._words("provides"))

    def _words(self, role: str) -> frozenset[str]:
        value = getattr(self, role)
        # A bare string is a collection too, of letters.
        if isinstance(value, str) or not isinstance(value, Collection) or not all(map(_is_word, value)):
            raise TypeError(f"{type(self).__name__}: {role} is {value!r}; it must be a set of words")
        return frozenset(value)


class ReaderPlugin(ComponentPlugin):
    """Reads labelled chains: `e1bind.contracts.Reader`."""

    kind = "reader"
    hook = "e1bind_readers"


class BackbonePlugin(ComponentPlugin):
    """A protein language model: `e1bind.contracts.Backbone`."""

    kind = "backbone"
    hook = "e1bind_backbones"


class ViewGeneratorPlugin(ComponentPlugin):
    """Makes the views of a chain: `e1bind.contracts.ViewGenerator`."""

    kind = "view_generator"
    hook = "e1bind_view_generators"


class HeadPlugin(ComponentPlugin):
    """Turns embeddings into scores: `e1bind.contracts.Head`. Provides "scores", and "prototypes" if it has any."""

    kind = "head"
    hook = "e1bind_heads"


class LossPlugin(ComponentPlugin):
    """A training loss: `e1bind.contracts.Loss`."""

    kind = "loss"
    hook = "e1bind_losses"


class MetricPlugin(ComponentPlugin):
    """A figure of merit: `e1bind.contracts.Metric`."""

    kind = "metric"
    hook = "e1bind_metrics"


class BaselinePlugin(ComponentPlugin):
    """A cheap predictor to hold a run against: `e1bind.contracts.Baseline`. It may need "embeddings"."""

    kind = "baseline"
    hook = "e1bind_baselines"


class CalibrationPlugin(ComponentPlugin):
    """Makes probabilities match frequencies: `e1bind.contracts.Calibration`."""

    kind = "calibration"
    hook = "e1bind_calibrations"


class TrackerPlugin(ComponentPlugin):
    """Watches a run: `e1bind.contracts.Tracker`."""

    kind = "tracker"
    hook = "e1bind_trackers"


def _is_word(value: object) -> bool:
    return isinstance(value, str) and bool(value) and not control_character(value)


PLUGIN_TYPES: dict[str, type[ComponentPlugin]] = {
    cls.kind: cls
    for cls in (
        ReaderPlugin,
        BackbonePlugin,
        ViewGeneratorPlugin,
        HeadPlugin,
        LossPlugin,
        MetricPlugin,
        BaselinePlugin,
        CalibrationPlugin,
        TrackerPlugin,
    )
}
