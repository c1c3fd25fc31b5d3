"""Which record belongs to which chain of a structure.

The record with the most identical residues does. Among those, the one that is named FILE_CHAIN; then the one with
the fewest residues that the chain lacks or has besides; then the one whose name ends in the chain's. Records of one
sequence are predicted alike, unless they have alignments. What is left as a tie is refused: order decides nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from e1bind.contracts import ResidueRecord
from e1bind.data.ids import shown_id
from e1bind.errors import DataError
from e1bind.inference.chain_alignment import Match, align, best_identity, own_match
from e1bind.structures.protein_chains import Chain
from e1bind.structures.structure import Structure

MAX_SHOWN = 5

HasContext = Callable[[ResidueRecord], bool]
"""Whether a record has an alignment of its own."""
_Rank = tuple[int, bool, int]


def own_matches(structure: Structure) -> list[Match]:
    """Every chain with the record that is made of it."""
    return [own_match(record, chain) for record, chain in zip(structure.records(), structure.chains, strict=True)]


def match_chains(
    structure: Structure, records: Iterable[ResidueRecord], has_context: HasContext = lambda _: False
) -> list[Match]:
    """For every chain that has one, the record that belongs to it.

    Raises `DataError` where no chain has one, or where a chain cannot tell several apart.
    """
    alike: dict[tuple[str, tuple[bool, ...]], list[Chain]] = {}
    for chain in structure.chains:
        alike.setdefault((chain.sequence, tuple(chain.broken)), []).append(chain)
    best: dict[str, tuple[_Rank, list[Match]]] = {}
    nearest, nearest_id = 0.0, "none"
    for record in records:
        for same in alike.values():
            if (match := align(record, same[0])) is not None:
                for chain in same:
                    _take(best, replace(match, chain=chain), structure.stem)
        if not best and (share := best_identity(record, structure.chains)) > nearest:
            nearest, nearest_id = share, record.id
    if not best:
        raise DataError(_no_match(structure, nearest, nearest_id))
    return [
        _only(structure, best[chain.label][1], has_context) for chain in structure.chains if chain.label in best
    ]


def _take(best: dict[str, tuple[_Rank, list[Match]]], match: Match, stem: str) -> None:
    """Keep a match if it is as good as the best of its chain."""
    rank = match.identical, _is_named_after(match, stem), -match.foreign
    known = best.get(match.chain.label)
    if known is None or rank > known[0]:
        best[match.chain.label] = rank, [match]
    elif rank == known[0]:
        known[1].append(match)


def _is_named_after(match: Match, stem: str) -> bool:
    before, _, after = match.record.id.rpartition("_")
    own = f"{stem}_{match.chain.label}"
    return match.record.id == own or (before.lower() == stem.lower() and after == match.chain.label)


def _only(structure: Structure, tied: Sequence[Match], has_context: HasContext) -> Match:
    """The match that stands out by its name or that is as good as the others. Raises `DataError`."""
    chain = tied[0].chain
    named = [match for match in tied if re.split(r"[_:|./]", match.record.id)[-1] in (chain.label, chain.name)]
    if len(tied) == 1 or len(named) == 1:
        return (named or tied)[0]
    records = [match.record for match in named or tied]
    if len({record.sequence for record in records}) == 1 and not any(map(has_context, records)):
        return (named or tied)[0]
    shown = ", ".join(shown_id(record.id) for record in records[:MAX_SHOWN])
    more = f" and {len(records) - MAX_SHOWN} more" if len(records) > MAX_SHOWN else ""
    raise DataError(
        f"{structure.path}: chain {chain.label} fits {len(records)} records equally well ({shown}{more}), whose "
        f"predictions differ; name the chain's own one {structure.stem}_{chain.label}, or leave the others out"
    )


def _no_match(structure: Structure, nearest: float, nearest_id: str) -> str:
    names = ", ".join(f"{chain.label} ({len(chain.sequence)} residues)" for chain in structure.chains)
    return (
        f"{structure.path}: the structure has another sequence: no chain ({names}) fits a record of the input; "
        f"the nearest is {shown_id(nearest_id)} with {nearest:.0%} identical residues, 90% are needed"
    )
