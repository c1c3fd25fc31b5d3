"""How many homologs do the clusters of `e1bind data cluster` leave apart, with MMseqs2 and without it?

    python -m benchmarks.leaks "../shared/data/metal_binding/{ion}_train.fasta" "..._test.fasta" --threads 2

Homologs are those of an all-against-all search by MMseqs2; pairs of one sequence under two ids are not counted.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from e1bind.curation.clustering import cluster, crossing
from e1bind.curation.homologs import Criteria, Method, find_homologs
from e1bind.curation.inputs import joined, read_input

ALONE = "needs labelled chains, and MMseqs2"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line for each method."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("inputs", nargs="+", type=Path)
    parser.add_argument("--identity", type=float, default=0.3)
    parser.add_argument("--coverage", type=float, default=0.8)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args(arguments)
    wanted = Criteria(given.identity, given.coverage)
    chains = joined(
        (chain for path in given.inputs for chain in read_input(path, ["train", "test"])), given.inputs[0]
    )
    sequences = sorted({chain.sequence for chain in chains})
    search = find_homologs(sequences, None, wanted, Method.MMSEQS2, given.threads)
    for method in (Method.MMSEQS2, Method.WORDS):
        began = time.perf_counter()
        found = cluster(chains, wanted, method, given.threads)
        seconds = time.perf_counter() - began
        of = {chain.sequence: found.cluster_of[chain.id] for chain in chains}
        apart = crossing(search, [of[sequence] for sequence in sequences])
        print(
            f"{method}: {len(found.sizes)} clusters, the largest of {max(found.sizes)}, in {seconds:.0f} s; "
            f"{apart} of {len(search.pairs)} pairs of homologs apart ({apart / max(len(search.pairs), 1):.2%})"
        )


if __name__ == "__main__":
    main()
