"""How many homologs the clusters of real chains leave apart, against an all-against-all search by MMseqs2."""

from __future__ import annotations

import shutil

import pytest

from e1bind.curation.clustering import cluster, crossing
from e1bind.curation.confirming import _codes, _padded, _ungapped, confirmed
from e1bind.curation.homologs import Criteria, Method, find_homologs
from e1bind.curation.inputs import read_input

WANTED = Criteria(0.3, 0.8)


def test_a_stretch_without_gaps_scores_as_counted_by_hand() -> None:
    first, second = _codes("WWCCHH"), _padded(_codes("AAWWCCAHH"))
    # Among the band's diagonals is 2, on which WWCCH.H stands beside WWCCA.H.
    assert _ungapped(first, second, -14) == 11 + 11 + 9 + 9 - 2 + 8
    assert _ungapped(first, second, 300) == 0
    assert _ungapped(first, second, -300) == 0


@pytest.mark.skipif(shutil.which("mmseqs") is None, reason="MMseqs2 is not on the PATH")
@pytest.mark.slow
def test_no_homolog_of_real_chains_is_parted_by_mmseqs2_and_few_by_words(shared) -> None:
    """All ions' test chains: few enough for a minute. For all 5,996 chains the shares stand in docs/data.md."""
    chains = read_input(shared / "data" / "metal_binding" / "{ion}_test.fasta", ["train"])
    sequences = sorted({chain.sequence for chain in chains})
    search = find_homologs(sequences, None, WANTED, Method.MMSEQS2)
    assert len(search.pairs) > 20
    for method, most in ((Method.MMSEQS2, 0.0), (Method.WORDS, 0.05)):
        found = cluster(chains, WANTED, method)
        of = {chain.sequence: found.cluster_of[chain.id] for chain in chains}
        assert crossing(search, [of[sequence] for sequence in sequences]) <= most * len(search.pairs)
    strict = list(confirmed(sequences, None, 0.9, 0.8))
    assert len(strict) < len(search.pairs)
