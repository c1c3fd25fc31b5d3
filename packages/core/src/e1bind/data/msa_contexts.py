"""Contexts for the views of a run, drawn from the profiles of its alignments in milliseconds."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from e1bind.contracts import ResidueRecord
from e1bind.data.msa_profiles import Profiles
from e1bind.spec.sections import MsaSampling

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ContextCount:
    """How many chains have homologues to draw from; `alone`: alignments of nothing but the chain itself."""

    chains: int
    aligned: int
    eligible: int
    deepest: int
    too_long: int = 0
    longest: int | None = None
    alone: int = 0

    def __str__(self) -> str:
        text = (
            f"{self.aligned} of {self.chains} chains have an alignment (deepest {self.deepest} sequences), "
            f"{self.eligible} of them with sequences in the wanted similarity band; the others have no context"
        )
        if self.alone:
            text += f"; {self.alone} hold nothing but the chain: no homologue was found"
        if self.too_long:
            text += (
                f"; {self.too_long} aligned sequence{'s are' if self.too_long > 1 else ' is'} longer than the "
                f"{self.longest} residues the backbone takes, and never drawn"
            )
        return text


class MsaContexts:
    """Draws contexts (`e1bind.contracts.ContextSource`); picklable, so that data-loader workers may have it.

    `profiles`: where those of alignments come from, with neighbours from the similarity on that `options` says; new
    ones without. `longest` is the most residues the backbone takes in one sequence: longer homologues are never
    drawn.
    """

    def __init__(self, options: MsaSampling, profiles: Profiles | None = None, longest: int | None = None) -> None:
        self.options = options
        self.profiles = profiles or Profiles(options.neighbor_similarity_lower_bound)
        self.longest = longest

    def draw(self, record: ResidueRecord, rng: np.random.Generator) -> tuple[str, ...]:
        """Homologues of the chain in drawn order; empty where it has no alignment or no eligible sequence.

        A window of a chain draws from the whole chain's alignment. Raises `DataError` for a broken alignment.
        """
        return () if record.msa is None else self.profiles.of(record).draw(self.options, rng, self.longest)

    def prepare(self, records: Iterable[ResidueRecord]) -> ContextCount:
        """Read and weigh every alignment before training: a broken one is found at once, and no worker waits.

        Give it whole chains, not windows: it is here that an alignment's query is compared with its chain. Warns of
        alignments that nothing can be drawn from, unless they hold the chain alone: a search that found nothing.
        """
        chains = aligned = eligible = deepest = too_long = alone = 0
        for record in records:
            chains += 1
            if record.msa is not None:
                profile = self.profiles.of(record)
                aligned += 1
                eligible += bool(profile.probabilities(self.options, self.longest).any())
                deepest = max(deepest, len(profile.ends))
                alone += len(profile.ends) == 1
                too_long += 0 if self.longest is None else int((profile.lengths > self.longest).sum())
        count = ContextCount(chains, aligned, eligible, deepest, too_long, self.longest, alone)
        fine = eligible == aligned - alone and not too_long
        log.log(logging.INFO if fine else logging.WARNING, "%s", count)
        return count
