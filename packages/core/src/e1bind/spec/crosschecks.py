"""What no table can see on its own: whether the chosen components fit together."""

from __future__ import annotations

import re
from collections.abc import Iterable

from e1bind.errors import Problem
from e1bind.spec.runspec import RunSpec, loss_temperatures

_AT_LEAST = re.compile(r"(?P<name>[a-z0-9-]+)>=(?P<least>\d+)")
_COUNTED = re.compile(r"(?P<name>[a-z0-9-]+)=(?P<count>\d+)")

HOST_PROVIDES = frozenset({"prototypes"})
"""What the engine itself gives to every loss."""

_MEANING = {
    "masked-tokens": "masked residues to predict",
    "mlm-logits": "the scores of a masked-LM head",
    "contexts": "a backbone that reads MSA contexts",
}


def cross_check(spec: RunSpec) -> list[Problem]:
    """Problems between tables."""
    return [*_unmet_needs(spec), *_loss_weights(spec), *_temperatures(spec), *_prototype_width(spec)]


def provided(spec: RunSpec) -> dict[str, str]:
    """Capability -> path of the component that provides it."""
    found = dict.fromkeys(HOST_PROVIDES, "the engine")
    for path, chosen in spec.components().items():
        for capability in chosen.component.plugin.provides | chosen.options.capabilities():
            found[capability] = path
    return found


def _unmet_needs(spec: RunSpec) -> list[Problem]:
    have = provided(spec)
    problems = []
    for path, chosen in spec.components().items():
        if path.startswith("losses.") and chosen.weight == 0:
            continue
        for need in sorted(chosen.component.plugin.needs | chosen.options.requirements()):
            message = _unmet(need, have, spec)
            if message:
                problems.append(Problem(path, message))
    return problems


def _unmet(need: str, have: dict[str, str], spec: RunSpec) -> str | None:
    if need in have:
        return None
    at_least = _AT_LEAST.fullmatch(need)
    if at_least is None:
        meaning = f" ({_MEANING[need]})" if need in _MEANING else ""
        return f"needs {need}{meaning}, which {_chosen_names(spec)} do not provide with these options"
    name, least = at_least["name"], int(at_least["least"])
    counts = [
        (int(m["count"]), path) for c, path in have.items() if (m := _COUNTED.fullmatch(c)) and m["name"] == name
    ]
    if not counts:
        return f"needs at least {least} {name}, and no chosen component provides {name}"
    count, path = max(counts)
    return None if count >= least else f"needs at least {least} {name}, but {path} makes {count}"


def _chosen_names(spec: RunSpec) -> str:
    return f"backbone.{spec.backbone.label} and views.{spec.views.label}"


def _loss_weights(spec: RunSpec) -> Iterable[Problem]:
    if not spec.active_losses:
        yield Problem("losses", "every weight is 0: nothing would be trained")


def _temperatures(spec: RunSpec) -> Iterable[Problem]:
    stated = [(f"losses.{label}", t) for label, t in loss_temperatures(spec.active_losses)]
    if spec.prototypes.scoring_temperature is not None:
        stated.append(("prototypes", spec.prototypes.scoring_temperature))
    if len({t for _, t in stated}) > 1:
        listed = ", ".join(f"{path} has {t:g}" for path, t in stated)
        yield Problem(f"{stated[0][0]}.scoring_temperature", f"all scores share one temperature, but {listed}")


def _prototype_width(spec: RunSpec) -> Iterable[Problem]:
    section = spec.prototypes
    if section.projector != "none" and section.prototype_dim is None:
        yield Problem("prototypes.prototype_dim", f"is required by projector = {section.projector!r}")


def spec_warnings(spec: RunSpec) -> list[str]:
    """Odd but allowed combinations, for the log."""
    warnings = []
    if spec.lora.train_mlm_head and "mlm-logits" not in spec.needs:
        warnings.append("lora.train_mlm_head is on, but no loss uses the masked-LM head: it will not change")
    zero = [label for label, chosen in spec.losses.items() if chosen.weight == 0]
    if zero:
        warnings.append(f"losses with weight 0 are skipped: {', '.join(zero)}")
    return warnings
