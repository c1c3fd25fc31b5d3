"""What no table can see on its own: whether the chosen components fit together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from e1bind.errors import Problem
from e1bind.spec.runspec import Chosen, RunSpec, loss_temperatures
from e1bind.spec.sections import LoraSection, PrototypesSection
from e1bind.spec.words import HOST_PROVIDES, SCORE_LOSS

_AT_LEAST = re.compile(r"(?P<name>[a-z0-9-]+)>=(?P<least>\d+)")
_COUNTED = re.compile(r"(?P<name>[a-z0-9-]+)=(?P<count>\d+)")

_MEANING = {
    "prototypes": "a head that scores by prototypes, as [head.prototype] does",
    SCORE_LOSS: "a loss on its scores, such as [losses.bce]",
    "masked-tokens": "masked residues to predict",
    "mlm-logits": "the scores of a masked-LM head",
    "contexts": "a backbone that reads MSA contexts",
}


_PROVIDERS = {"prototypes": ("head.",), "scores": ("head.",), SCORE_LOSS: ("losses.",)}
"""Beginnings of the paths of what may provide a capability; backbone and views where it is not here."""


@dataclass(frozen=True)
class Parts:
    """The valid parts of a spec that may have problems elsewhere.

    `components` by path in the spec, e.g. `losses.nt-xent`; `complete` says that none is missing for a problem of
    its own, so that what nobody provides is really not provided.
    """

    components: Mapping[str, Chosen]
    prototypes: PrototypesSection | None
    lora: LoraSection | None
    complete: bool

    @property
    def active_losses(self) -> dict[str, Chosen]:
        return {path: c for path, c in self.components.items() if path.startswith("losses.") and c.weight > 0}


def cross_check(parts: Parts) -> list[Problem]:
    """Problems between tables."""
    checks = (_unmet_needs, _loss_weights, _temperatures, _learns)
    return [problem for check in checks for problem in check(parts)]


def _provided(parts: Parts) -> dict[str, str]:
    """Capability -> path of the component that provides it."""
    found = dict.fromkeys(HOST_PROVIDES, "the engine")
    for path, chosen in parts.active_losses.items():
        if "scores" in chosen.needs:
            found[SCORE_LOSS] = path
    for path, chosen in parts.components.items():
        for capability in chosen.provides:
            found[capability] = path
    return found


def _unmet_needs(parts: Parts) -> Iterable[Problem]:
    have = _provided(parts)
    for path, chosen in parts.components.items():
        if path.startswith("losses.") and chosen.weight == 0:
            continue
        for need in sorted(chosen.needs):
            message = None if need in have else _unmet(need, have, parts)
            if message:
                yield Problem(path, message)


def _unmet(need: str, have: Mapping[str, str], parts: Parts) -> str | None:
    at_least = _AT_LEAST.fullmatch(need)
    name = at_least["name"] if at_least else need
    counts = [
        (int(m["count"]), path) for c, path in have.items() if (m := _COUNTED.fullmatch(c)) and m["name"] == name
    ]
    if at_least and counts:
        count, path = max(counts)
        least = int(at_least["least"])
        return None if count >= least else f"needs at least {least} {name}, but {path} makes {count}"
    if not parts.complete:
        return None  # a component that is itself in trouble may be the one that provides it
    meaning = f" ({_MEANING[need]})" if need in _MEANING else ""
    tables = _PROVIDERS.get(need, ("backbone.", "views."))
    providers = [path for path in parts.components if path.startswith(tables)]
    if not providers:
        return f"needs {need}{meaning}"
    return f"needs {need}{meaning}, which {' and '.join(providers)} do not provide with these options"


def _loss_weights(parts: Parts) -> Iterable[Problem]:
    if parts.complete and not parts.active_losses:
        yield Problem("losses", "every weight is 0: nothing would be trained")


def _temperatures(parts: Parts) -> Iterable[Problem]:
    stated = loss_temperatures(parts.active_losses)
    if parts.prototypes is not None and parts.prototypes.scoring_temperature is not None:
        stated.append(("prototypes", parts.prototypes.scoring_temperature))
    if len({t for _, t in stated}) > 1:
        listed = ", ".join(f"{path} has {t:g}" for path, t in stated)
        yield Problem(f"{stated[0][0]}.scoring_temperature", f"all scores share one temperature, but {listed}")


def _learns(parts: Parts) -> Iterable[Problem]:
    """Nothing to train: a frozen backbone, a head without weights and no projector."""
    head = next((c for path, c in parts.components.items() if path.startswith("head.")), None)
    if parts.lora is None or parts.lora.enabled or parts.prototypes is None or head is None:
        return
    if parts.prototypes.projector == "none" and SCORE_LOSS not in head.needs:
        yield Problem(
            "lora.enabled",
            f"is false, and head.{head.label} has nothing to learn: nothing would be trained; use [head.linear], "
            "or set prototypes.projector = 'linear'",
        )


def spec_warnings(spec: RunSpec) -> list[str]:
    """Odd but allowed combinations, for the log."""
    warnings = []
    if spec.lora.train_mlm_head and "mlm-logits" not in spec.needs:
        warnings.append("lora.train_mlm_head is on, but no loss uses the masked-LM head: it will not change")
    used = {chosen.component.source for chosen in spec.components().values()}
    warnings += [f"{p.source.label()}: {p.warning}" for p in spec.index.plugins if p.warning and p.source in used]
    zero = [label for label, chosen in spec.losses.items() if chosen.weight == 0]
    if zero:
        warnings.append(f"losses with weight 0 are skipped: {', '.join(zero)}")
    return warnings
