"""A structure with probabilities in the B-factor column.

The copy is the file itself with other B factors: the probability (0 to 1) at every atom of a residue that was
scored, `NOT_SCORED` at all others, so that nothing that was not scored looks as if it did not bind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from e1bind.inference.chain_alignment import Match
from e1bind.structures.structure import Structure

NOT_SCORED = -1.0


class Site(NamedTuple):
    """A residue as viewers name it; `segment` is given where it takes that to tell it from another one."""

    chain: str
    number: str
    name: str
    segment: str = ""


def coloured(structure: Structure, values: Mapping[int, float]) -> bytes:
    """The copy; `values` by the place of an atom's row in the file."""
    return structure.file.with_values(values, NOT_SCORED)


def values_of(match: Match, probability_L: NDArray[np.float32]) -> dict[int, float]:
    """The probability at every atom of the chain's residues that are in the record, by place."""
    return {
        place: float(probability_L[at])
        for places, at in zip(match.chain.places, match.position_L, strict=True)
        if at >= 0
        for place in places
    }


def sites_of(
    structure: Structure, called: Sequence[tuple[Match, NDArray[np.int8]]]
) -> tuple[list[Site], list[Site]]:
    """The called residues that a viewer can tell from all others of the file's chains, and those it cannot."""
    wanted = [
        Site(*key, match.chain.segments[j])
        for match, call_L in called
        for j, at in enumerate(match.position_L)
        if at >= 0 and call_L[at]
        for key in match.chain.keys[j][:1]
    ]
    total, by_segment = _counts(_all_sites(structure))
    own, own_by_segment = _counts(wanted)
    clear: list[Site] = []
    unclear: list[Site] = []
    for site in wanted:
        short, full = (site.chain, site.number), (site.chain, site.number, site.segment)
        if own[short] == total[short]:
            clear.append(site._replace(segment=""))
        elif site.segment and own_by_segment[full] == by_segment[full]:
            clear.append(site)
        else:
            unclear.append(site)
    return clear, unclear


def _all_sites(structure: Structure) -> list[Site]:
    return [
        Site(*keys[0], segment)
        for chain in structure.chains
        for keys, segment in zip(chain.keys, chain.segments, strict=True)
    ]


def _counts(sites: Sequence[Site]) -> tuple[Counter[tuple[str, ...]], Counter[tuple[str, ...]]]:
    """How often chain and number occur, and those with the segment."""
    return Counter(site[:2] for site in sites), Counter((*site[:2], site.segment) for site in sites)
