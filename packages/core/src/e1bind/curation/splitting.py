"""Training and test chains that share no group of related chains, and hold like shares of every ion.

Shape legend: G groups, Q quantities (for each ion its chains, labelled residues and positives).

The search begins at groups drawn with the wanted share, and takes the group in or out that brings the test set
nearest to the wanted share of every quantity (least squares), as long as one does; the best of several starts wins.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from e1bind.contracts import ResidueRecord
from e1bind.data.columns import order_by_id, picked
from e1bind.data.groups import PER_ION, join_groups, quantities
from e1bind.data.ids import shown_id
from e1bind.data.labels import text_of_labels
from e1bind.errors import DataError, UserError

STARTS = 8
PARTS = ("train", "test")
_GAIN = 1e-12


@dataclass(frozen=True)
class PartCount:
    """What a part holds of one ion."""

    ion: str
    part: str
    chains: int
    residues: int
    positives: int


@dataclass(frozen=True)
class Split:
    """The chains of each part ("train", "test"), the number of groups, and a count for each ion and part."""

    parts: Mapping[str, Sequence[ResidueRecord]]
    groups: int
    counts: tuple[PartCount, ...]

    def files(self, ions: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Names and texts of the three-line FASTA files, one for each ion and part."""
        for part, records in self.parts.items():
            for ion in ions:
                known = [record for record in records if ion in record.labels]
                yield f"{ion}_{part}.fasta", "".join(_three_lines(record, ion) for record in known)

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        chains = {part: len(records) for part, records in self.parts.items()}
        return {"groups": self.groups, "chains": chains, "counts": [vars(count) for count in self.counts]}


def split(
    records: Sequence[ResidueRecord],
    ions: Sequence[str],
    groups: Mapping[str, str] | None,
    test_share: float,
    seed: int,
) -> Split:
    """Divide chains by groups; a function of the set of records and the seed. `groups`: the cluster of each id.

    Raises `UserError` where ids cannot stand in FASTA, or a part is left without positives of an ion.
    """
    if not 0 < test_share < 1:
        raise UserError(f"--test-share {test_share}: give a share above 0 and below 1, as in 0.2")
    _check_ids(records)
    order = order_by_id(records)
    ordered = picked(records, order)
    group_N = join_groups(ordered, groups)
    load_GQ = quantities(ordered, group_N, ions)
    _check_feasible(load_GQ, ions)
    test_G = _best(load_GQ, test_share, seed)
    tested = np.empty(len(order), np.bool_)
    tested[order] = test_G[group_N]
    parts = {part: picked(records, tested == (part == "test")) for part in PARTS}
    counts = tuple(_counts(load_GQ, test_G, ions))
    for count in counts:
        if not count.positives:
            raise DataError(f"{count.part}: no binding residue of {count.ion}; try another --seed or --test-share")
    return Split(parts, len(load_GQ), counts)


def _best(load_GQ: NDArray[np.int64], share: float, seed: int) -> NDArray[np.bool_]:
    share_GQ = load_GQ / np.maximum(load_GQ.sum(0), 1)
    plans = [_descend(share_GQ, share, np.random.default_rng([seed, start])) for start in range(STARTS)]
    return min(plans, key=lambda plan: plan[0])[1]


def _descend(
    share_GQ: NDArray[np.float64], share: float, rng: np.random.Generator
) -> tuple[float, NDArray[np.bool_]]:
    """Cost and plan [G] of one start. An ion without positives in a part costs more than any imbalance."""
    positive_GI = share_GQ[:, PER_ION - 1 :: PER_ION]
    square_G = (share_GQ**2).sum(1)
    test_G = rng.random(len(share_GQ)) < share
    while True:
        away_Q = share_GQ[test_G].sum(0) - share
        sign_G = np.where(test_G, -1.0, 1.0)
        change_G = 2 * sign_G * (share_GQ @ away_Q) + square_G
        best = int(np.argmin(change_G))
        if change_G[best] > -_GAIN:
            break
        test_G[best] = not test_G[best]
    held_I = positive_GI[test_G].sum(0)
    lacking = int(((held_I <= _GAIN) | (held_I >= 1 - _GAIN)).sum())
    return float((away_Q**2).sum()) + 1e3 * lacking, test_G


def _check_ids(records: Sequence[ResidueRecord]) -> None:
    """FASTA ends an id at the first white space."""
    if bad := [
        shown_id(record.id) for record in records if len(record.id.split()) != 1 or record.id.strip() != record.id
    ]:
        raise DataError(
            f"{len(bad)} ids hold white space, which FASTA cannot keep ({', '.join(bad[:10])}); rename these chains"
        )


def _check_feasible(load_GQ: NDArray[np.int64], ions: Sequence[str]) -> None:
    for index, ion in enumerate(ions):
        holding = int((load_GQ[:, PER_ION * index + PER_ION - 1] > 0).sum())
        if holding < len(PARTS):
            raise DataError(
                f"{ion}: its binding residues stand in {holding} group{'' if holding == 1 else 's'} of related "
                f"chains; training and test need one each, so add unrelated chains that bind {ion}"
            )


def _counts(load_GQ: NDArray[np.int64], test_G: NDArray[np.bool_], ions: Sequence[str]) -> Iterator[PartCount]:
    for part, of_G in zip(PARTS, (~test_G, test_G), strict=True):
        load_Q = load_GQ[of_G].sum(0)
        for index, ion in enumerate(ions):
            yield PartCount(ion, part, *(int(x) for x in load_Q[PER_ION * index : PER_ION * (index + 1)]))


def _three_lines(record: ResidueRecord, ion: str) -> str:
    return f">{record.id}\n{record.sequence}\n{text_of_labels(record.labels[ion])}\n"
