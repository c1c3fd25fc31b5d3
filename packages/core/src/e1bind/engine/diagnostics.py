"""What goes wrong in this kind of training, told from the logged numbers: one sentence each, with the number.

A pure function over the rows that folds log (and, for the prototypes, over the folds of the run's summary).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]

STABLE_EPOCHS = 3
"""Epochs at the end over which a metric must hold still to be called stable."""
STABLE_RANGE = 0.02
"""Largest difference of AUPRC within those epochs."""
LOW_AUPRC = 0.3
"""AUPRC below this is low."""
IDLE_PULL = 0.05
"""Share of pulled residues below which the alignment loss has hardly anything left to do."""
MOST = 0.5
"""Share of the binding residues from which on it is they whom the alignment loss fails to turn."""
FEW_POSITIVES = 20
"""A prototype made of fewer binding residues than this is a noisy direction."""
DRIFT = 0.2
"""Fall of the binding residues' similarity from its best epoch that is called drift."""

_HEAD = ("fold", "epoch", "ion", "split")


@dataclass(frozen=True)
class _History:
    """The rows of one fold and ion, in order of epochs."""

    fold: int
    train: Sequence[Row]
    valid: Sequence[Row]

    def values(self, split: str, key: str) -> list[tuple[int, float]]:
        """(epoch, value) of the finite values of `key`."""
        rows = self.train if split == "train" else self.valid
        return [(row["epoch"], float(row[key])) for row in rows if _finite(row.get(key))]

    def last(self, split: str, key: str) -> float | None:
        values = self.values(split, key)
        return values[-1][1] if values else None


_Check = Callable[[_History], tuple[float, str] | None]
"""How bad it is (larger is worse) and the sentence, or None where all is well."""


def diagnose(rows: Iterable[Row], folds: Sequence[Row] = (), max_samples: int = 0) -> list[str]:
    """Warnings, the worst fold of each ion named and the others counted; empty where nothing stands out.

    `rows` are those that folds log (NaN or None where a number is undefined), `folds` those of the summary, looked
    at for `prototype_positives`; prototypes were made of at most `max_samples` chains.
    """
    histories = _histories(rows)
    messages = []
    for ion, of_ion in histories.items():
        for check in (_non_finite, _negative_similarity, _idle_alignment, _drift):
            found = [(*result, history.fold) for history in of_ion if (result := check(history))]
            if found:
                worst = max(found, key=lambda hit: (hit[0], -hit[2]))
                messages.append(f"{ion}, fold {worst[2]}{_others(len(found) - 1)}: {worst[1]}")
    return messages + _few_positives(folds, max_samples)


def _histories(rows: Iterable[Row]) -> dict[str, list[_History]]:
    grouped: dict[tuple[str, int], dict[str, list[Row]]] = defaultdict(lambda: {"train": [], "valid": []})
    for row in rows:
        grouped[row["ion"], row["fold"]][row["split"]].append(row)
    histories: dict[str, list[_History]] = defaultdict(list)
    for (ion, fold), splits in grouped.items():
        ordered = {name: sorted(part, key=lambda row: row["epoch"]) for name, part in splits.items()}
        histories[ion].append(_History(fold, ordered["train"], ordered["valid"]))
    return histories


def _others(count: int) -> str:
    return "" if count == 0 else f" (and {count} other fold{'' if count == 1 else 's'})"


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _non_finite(history: _History) -> tuple[float, str] | None:
    """NaN or infinity; losses weigh more than metrics, which are NaN where a fold holds one class only."""
    bad = [
        (key, row["epoch"], split, row[key])
        for split, part in (("train", history.train), ("valid", history.valid))
        for row in part
        for key in row
        if key not in _HEAD and not _finite(row[key])
    ]
    if not bad:
        return None
    bad.sort(key=lambda hit: not hit[0].startswith("loss"))
    key, epoch, split, value = bad[0]
    more = "" if len(bad) == 1 else f", and {len(bad) - 1} more value{'' if len(bad) == 2 else 's'}"
    shown = "undefined" if value is None else f"{value}"
    what = (
        "lower training.learning_rate, or look for damaged input"
        if key.startswith("loss")
        else "the reason stands in the run's log"
    )
    return len(bad), f"{key} ({split}) is {shown} in epoch {epoch}{more}; {what}"


def _negative_similarity(history: _History) -> tuple[float, str] | None:
    similarity = history.last("train", "sim_pos")
    recent = [value for _, value in history.values("valid", "auprc")][-STABLE_EPOCHS:]
    if similarity is None or similarity >= 0 or len(recent) < STABLE_EPOCHS:
        return None
    spread = max(recent) - min(recent)
    if spread > STABLE_RANGE:
        return None
    binding = history.last("train", "sim_pos|pos")
    if binding is not None and binding < 0:
        return None  # not imbalance: the binding residues themselves have turned away, which `_drift` reports
    of_class = "" if binding is None else f" (binding residues alone: {binding:.3f})"
    return -similarity, (
        f"sim_pos is {similarity:.3f}{of_class} while auprc stays within {spread:.3f} over the last "
        f"{STABLE_EPOCHS} epochs: class imbalance, most residues do not bind; "
        "judge the prototype by sim_pos|pos and sim_pos|neg"
    )


def _idle_alignment(history: _History) -> tuple[float, str] | None:
    pull, auprc = history.last("train", "pull_mask_ratio"), history.last("valid", "auprc")
    if pull is None or auprc is None or pull >= IDLE_PULL or auprc >= LOW_AUPRC:
        return None
    binding = history.last("train", "pull_mask_ratio|pos")
    if binding is None or binding < MOST:
        why = "nearly every residue keeps its margin, so the alignment loss teaches no more"
    else:
        why = (
            f"{binding:.0%} of the binding residues violate their margin, but they are too few for the alignment "
            "loss to turn them"
        )
    return -auprc, (
        f"auprc is {auprc:.3f} with a pull_mask_ratio of {pull:.4f}: {why}; "
        "raise losses.prototype-alignment.weight, or its eps_pos and eps_neg"
    )


def _drift(history: _History) -> tuple[float, str] | None:
    values = history.values("train", "sim_pos|pos")
    if not values:
        return None
    best_epoch, best = max(values, key=lambda point: point[1])
    last_epoch, last = values[-1]
    if best - last < DRIFT:
        return None
    return best - last, (
        f"prototype drift: sim_pos|pos fell from {best:.3f} in epoch {best_epoch} to {last:.3f} in epoch "
        f"{last_epoch}; binding residues turn away from the frozen prototype: lower training.learning_rate, "
        "or raise losses.prototype-alignment.weight"
    )


def _few_positives(folds: Sequence[Row], max_samples: int) -> list[str]:
    by_ion: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
    for row in folds:
        positives = row.get("prototype_positives")
        if positives is not None and positives < FEW_POSITIVES:
            others = (other for other in folds if other["ion"] == row["ion"] and other["fold"] != row["fold"])
            train = sum(other["proteins"] for other in others)
            by_ion[row["ion"]].append((positives, row["fold"], train))
    messages = []
    for ion, few in by_ion.items():
        positives, fold, train = min(few)
        residues = f"{positives} binding residue{'' if positives == 1 else 's'} (fewer than {FEW_POSITIVES})"
        messages.append(
            f"{ion}, fold {fold}{_others(len(few) - 1)}: the prototype is the mean of only {residues}; "
            f"{more_residues(train, max_samples)}"
        )
    return messages


def more_residues(train: int, max_samples: int) -> str:
    """What gives a prototype more binding residues, made of at most `max_samples` of `train` chains."""
    if max_samples < train:
        return f"raise prototypes.max_samples (now {max_samples}, of {train} chains that train)"
    return (
        f"all {train} chains that train were used: what helps is more labelled chains, or a higher cv.folds, which "
        "leaves more of them to train each fold"
    )
